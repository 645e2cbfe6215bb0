//! A payment gateway that answers after everybody has given up, or that does not work for a while.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use ordermill_bench::client::Client;
use ordermill_bench::http::Request;
use tokio::time::{Instant, sleep};

use crate::scene::{Scenario, Scene, Trial};

const BAD: Duration = Duration::from_secs(4);

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "gateway-late",
            "The payment gateway does its work and answers after the calls have timed out, for 4 s.",
            (30, 1),
            late,
        ),
        Scenario::new(
            "gateway-down",
            "The payment gateway says that it cannot work, for 4 s.",
            (30, 1),
            down,
        ),
    ]
}

fn late<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(misbehave(scene, "{\"delay_ms\":1500}"))
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

async fn behave(scene: &Scene<'_>, how: &str) -> Result<()> {
    let address = format!("http://{}", scene.stage.gateway.address()).parse()?;
    let client = Client::new(address, Duration::from_secs(5));
    let request = Request::json("POST", "/mock/behaviour", how);
    client.call(&request).await.context("the gateway does not take its orders")?;
    Ok(())
}
