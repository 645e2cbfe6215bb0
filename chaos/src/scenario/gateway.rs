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
const LATE: &str = "{\"delay_ms\":1500}";
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
    Box::pin(async move {
        let before = timeouts(scene).await?;
        let trial = misbehave(scene, LATE).await?;
        let faults = timeouts(scene).await? - before;
        ensure!(faults > 0, "no call timed out");
        Ok(Trial { faults, ..trial })
    })
}

/// Calls so far that nobody waited for to the end.
async fn timeouts(scene: &Scene<'_>) -> Result<u32> {
    let count = "select cast(count(*) as signed) from payment_attempts where outcome = 'timed_out'";
    let count: i64 = sqlx::query_scalar(count).fetch_one(scene.stage.db.pool()).await?;
    Ok(u32::try_from(count)?)
}

fn down<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(misbehave(scene, "{\"unavailable\":true}"))
}

async fn misbehave(scene: &mut Scene<'_>, how: &str) -> Result<Trial> {
    scene.go_on(300, 1_000).await;
    behave(scene, how).await?;
    sleep(BAD).await;
    behave(scene, "{}").await?;
    let healed = Instant::now();
    let open = scene.prompt_orders().await?;
    Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
}

/// Tells the gateway how to behave from now on; `{}` is well.
pub(super) async fn behave(scene: &Scene<'_>, how: &str) -> Result<()> {
    let address = format!("http://{}", scene.stage.gateway.address()).parse()?;
    let client = Client::new(address, Duration::from_secs(5));
    let request = Request::json("POST", "/mock/behaviour", how);
    client.call(&request).await.context("the gateway does not take its orders")?;
    Ok(())
}
