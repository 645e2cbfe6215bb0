//! Somebody else in the database: a row locked for 10 s, and a storm of deadlocks.

use std::time::Duration;

use anyhow::Result;
use futures::future::{BoxFuture, join_all};
use ordermill_common::db::Db;
use ordermill_common::id::ProductId;
use sqlx::Connection as _;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::scene::{Scenario, Scene, Trial};

const HELD: Duration = Duration::from_secs(10);
const STORM: Duration = Duration::from_secs(5);
const STRANGERS: usize = 8;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "row-held",
            "Somebody else holds a product's row for 10 s; the orders of other products go on.",
            (30, 1),
            held,
        ),
        Scenario::new(
            "deadlock-storm",
            "Eight strangers lock the products' rows in any order, for 5 s.",
            (30, 1),
            storm,
        ),
    ]
}

fn held<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let place = scene.dice.below(scene.crowd.shelves.len());
        let product: ProductId = scene.crowd.shelves[place].product.parse()?;
        let mut stranger = scene.stage.db.connect().await?;
        let mut holding = stranger.begin().await?;
        sqlx::query("select available from stock where product_id = ? for update")
            .bind(product)
            .execute(&mut *holding)
            .await?;
        let since = Instant::now();
        scene.until_next(since).await?;
        sleep(HELD.saturating_sub(since.elapsed())).await;
        holding.rollback().await?;
        let healed = Instant::now();
        let open = scene.prompt_orders().await?;
        Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
    })
}

fn storm<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let products: Vec<ProductId> = scene
            .crowd
            .shelves
            .iter()
            .map(|shelf| shelf.product.parse())
            .collect::<Result<_, _>>()?;
        let (db, seed) = (&scene.stage.db, scene.dice.seed());
        let strangers = (0..STRANGERS).map(|number| {
            let dice = Dice::new(seed, &format!("stranger {number}"));
            quarrel(db, &products, dice)
        });
        let deadlocks: u32 = join_all(strangers).await.into_iter().sum::<Result<_>>()?;
        let healed = Instant::now();
        let open = scene.prompt_orders().await?;
        let took = scene.until_settled(&open, healed).await?;
        Ok(Trial { faults: deadlocks, recovery: took })
    })
}

/// Locks rows in any order and lets go again; answers how often that ended in a deadlock of its own.
async fn quarrel(db: &Db, products: &[ProductId], mut dice: Dice) -> Result<u32> {
    let (started, mut deadlocks) = (Instant::now(), 0);
    let mut conn = db.connect().await?;
    while started.elapsed() < STORM {
        let mut locking = conn.begin().await?;
        for _ in 0..3 {
            let lock = sqlx::query("select available from stock where product_id = ? for update")
                .bind(*dice.pick(products));
            if lock.execute(&mut *locking).await.is_err() {
                deadlocks += 1;
                break;
            }
        }
        locking.rollback().await?;
    }
    Ok(deadlocks)
}
