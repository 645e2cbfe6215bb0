//! A payment gateway that answers after everybody has given up, or that does not work for a while.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::BoxFuture;
use ordermill_bench::client::Client;
use ordermill_bench::http::Request;
use tokio::time::{Instant, sleep};

use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

/// How long a call waits for its answer where the gateway is late, and how late it is.
const PATIENCE_MS: u32 = 1_000;
pub(super) const LATE: &str = "{\"delay_ms\":1500}";
const DOWN: &str = "{\"unavailable\":true}";
const BAD: Duration = Duration::from_secs(4);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            plan: || Plan {
                settings: vec![("ORDERMILL_CHARGE_TIMEOUT_MS", PATIENCE_MS.to_string())],
                ..Plan::default()
            },
            ..Scenario::new(
                "gateway-late",
                "The payment gateway does its work and answers after the calls have timed out, for 4 s.",
                (30, 1),
                late,
            )
        },
        Scenario::new(
            "gateway-down",
            "The payment gateway says that it cannot work, for 4 s.",
            (30, 1),
            down,
        ),
    ]
}

fn late<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(misbehave(scene, LATE, "timed_out"))
}

fn down<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(misbehave(scene, DOWN, "unavailable"))
}

/// Calls so far that ended so because the gateway misbehaved: some tokens ask for it at any time.
async fn calls(scene: &Scene<'_>, outcome: &str) -> Result<u32> {
    let count: i64 = sqlx::query_scalar(
        "select cast(count(*) as signed) \
         from payment_attempts a \
         join payments p on p.id = a.payment_id \
         where a.outcome = ? and p.method not like 'tok_timeout%' and p.method not like 'tok_fail%'",
    )
    .bind(outcome)
    .fetch_one(scene.stage.db.pool())
    .await?;
    Ok(u32::try_from(count)?)
}

/// For a while; counts the calls that this ended.
async fn misbehave(scene: &mut Scene<'_>, how: &str, outcome: &str) -> Result<Trial> {
    scene.go_on(300, 1_000).await;
    let before = calls(scene, outcome).await?;
    scene.breaks();
    behave(scene, how).await?;
    sleep(BAD).await;
    behave(scene, "{}").await?;
    scene.heals();
    let healed = Instant::now();
    let open = scene.prompt_orders().await?;
    let took = scene.until_settled(&open, healed).await?;
    let faults = calls(scene, outcome).await? - before;
    ensure!(faults > 0, "no call was {outcome}");
    Ok(Trial { faults, recovery: took })
}

/// Tells the gateway how to behave from now on; `{}` is well.
pub(super) async fn behave(scene: &Scene<'_>, how: &str) -> Result<()> {
    let address = format!("http://{}", scene.stage.gateway.address()).parse()?;
    let client = Client::new(address, Duration::from_secs(5));
    let request = Request::json("POST", "/mock/behaviour", how);
    client.call(&request).await.context("the gateway does not take its orders")?;
    Ok(())
}
