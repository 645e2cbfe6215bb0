//! Somebody else in the database: a row locked for 10 s, and a storm of deadlocks.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::{BoxFuture, try_join_all};
use ordermill_common::db::Db;
use ordermill_common::id::ProductId;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{Connection as _, MySqlConnection};
use tokio::time::{Instant, sleep};

use super::logs::Logs;
use crate::dice::Dice;
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::{Plan, Sight};

/// While the order needs the row; of a cart that is when a reserve or a settle may give lines back.
const OF_AN_ORDER: [&str; 3] = [
    "select order_id from checkouts where order_id = ? and wake_at is not null for update",
    "select id from payments where order_id = ? and status = 'pending' for update",
    "select version from carts where user_id = (select user_id from checkouts where order_id = ?) for update",
];
const LOOK: Duration = Duration::from_millis(10);
const HELD: Duration = Duration::from_secs(10);
const STORM: Duration = Duration::from_secs(5);
/// By then a storm has met one of ours.
const MET_WITHIN: Duration = Duration::from_secs(30);
const STRANGERS: usize = 8;
/// More rows than a batch of ours has changed, and locked pages of, when it comes to its products.
const BALLAST: u32 = 500;
/// A deadlock, and a lock that was waited for too long.
const GAVE_WAY: [u16; 2] = [1213, 1205];
/// So a process tells that a transaction of its own was rolled back to end a deadlock. The server's count would not
/// do: MariaDB counts a deadlock twice.
const ROLLED_BACK: [&str; 2] = ["running a batch again", "1213 (40001)"];

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "row-held",
            "Somebody else holds a row for 10 s: a product's stock, an open order's checkout, its payment or its buyer's \
             cart, in turn; the other orders go on.",
            (30, 1),
            held,
        ),
        Scenario {
            plan: || Plan {
                settings: vec![(
                    "ORDERMILL_LOG",
                    "info,ordermill_common::db::group=debug".to_owned(),
                )],
                ..Plan::default()
            },
            ..Scenario::new(
                "deadlock-storm",
                "Eight strangers with much to lose lock the products' rows in any order, for 5 s: deadlocks end with \
                 the rollback of ours.",
                (30, 1),
                storm,
            )
        },
    ]
}

fn held<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let mut stranger = scene.stage.db.connect().await?;
        scene.breaks();
        let mut holding = stranger.begin().await?;
        match usize::try_from(trial - 1)? % (OF_AN_ORDER.len() + 1) {
            0 => lock_stock(scene, &mut holding).await?,
            place => lock_of_an_order(scene, &mut holding, place - 1).await?,
        }
        let since = Instant::now();
        scene.until_next(since).await?;
        sleep(HELD.saturating_sub(since.elapsed())).await;
        holding.rollback().await?;
        scene.heals();
        let healed = Instant::now();
        let open = scene.prompt_orders().await?;
        Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
    })
}

async fn lock_stock(scene: &mut Scene<'_>, conn: &mut MySqlConnection) -> Result<()> {
    let place = scene.dice.below(scene.crowd.shelves.len());
    let product: ProductId = scene.crowd.shelves[place].product.parse()?;
    let lock = "select available from stock where product_id = ? for update";
    sqlx::query(lock).bind(product).execute(conn).await?;
    Ok(())
}

/// A row of an order that is under way, as soon as there is one.
async fn lock_of_an_order(
    scene: &mut Scene<'_>,
    conn: &mut MySqlConnection,
    place: usize,
) -> Result<()> {
    let since = Instant::now();
    loop {
        for order in Sight::open_orders(&scene.stage.db).await? {
            let lock = sqlx::query(OF_AN_ORDER[place]).bind(order);
            match lock.fetch_all(&mut *conn).await {
                Ok(locked) if locked.is_empty() => {}
                Ok(_) => return Ok(()),
                Err(error) if gave_way(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        ensure!(since.elapsed() < scene.patience(MET_WITHIN), "no order was under way");
        sleep(LOOK).await;
    }
}

fn storm<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let products: Vec<ProductId> = scene
            .crowd
            .shelves
            .iter()
            .map(|shelf| shelf.product.parse())
            .collect::<Result<_, _>>()?;
        let (logs, began) = (Logs::from_now(scene)?, Instant::now());
        let mut rolled_back = 0;
        scene.breaks();
        while rolled_back == 0 {
            let in_time = began.elapsed() < scene.patience(MET_WITHIN);
            ensure!(in_time, "no transaction of ours was rolled back to end a deadlock");
            let (db, seed) = (&scene.stage.db, scene.dice.seed());
            let strangers = (0..STRANGERS).map(|number| {
                let dice = Dice::new(seed, &format!("stranger {number}"));
                quarrel(db, &products, dice)
            });
            try_join_all(strangers).await?;
            rolled_back = logs.count(&ROLLED_BACK)?;
        }
        scene.heals();
        let healed = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, healed).await?;
        Ok(Trial { faults: rolled_back, recovery: took })
    })
}

/// Locks rows in any order and lets go again. Who has changed and locked least is rolled back to end a deadlock; so
/// that it is seldom this stranger, each round begins with changes of its own.
async fn quarrel(db: &Db, products: &[ProductId], mut dice: Dice) -> Result<()> {
    let mut conn = db.connect().await?;
    load(&mut conn).await?;
    let started = Instant::now();
    while started.elapsed() < STORM {
        let mut locking = conn.begin().await?;
        sqlx::query("update ballast set weight = weight + 1").execute(&mut *locking).await?;
        for _ in 0..3 {
            let lock = sqlx::query("select available from stock where product_id = ? for update")
                .bind(*dice.pick(products));
            match lock.execute(&mut *locking).await {
                Ok(_) => {}
                Err(error) if gave_way(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        locking.rollback().await?;
    }
    conn.close().await?;
    Ok(())
}

/// A table that only this session sees, and that is gone with it.
async fn load(conn: &mut MySqlConnection) -> Result<()> {
    let table = "create temporary table ballast ( \
           place int not null, \
           weight int not null, \
           primary key (place) \
         ) engine = innodb";
    sqlx::raw_sql(table).execute(&mut *conn).await?;
    let places: Vec<u32> = (0..BALLAST).collect();
    sqlx::query(
        "insert into ballast (place, weight) \
         select j.place, 0 \
         from json_table(?, '$[*]' columns (place int path '$')) j",
    )
    .bind(serde_json::to_string(&places)?)
    .execute(conn)
    .await?;
    Ok(())
}

fn gave_way(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    error.is_some_and(|error| GAVE_WAY.contains(&error.number()))
}
