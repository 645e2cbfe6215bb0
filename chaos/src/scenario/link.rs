//! The network between one process and one server: cut, slow, cut off in the middle of a frame, swallowing
//! one direction, or losing the answer to a COMMIT.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::proxy::{Direction, Proxy, Tally};
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

const SHORT_HOLE: Duration = Duration::from_secs(12);
const LONG_HOLE: Duration = Duration::from_secs(90);
const SLOW: Duration = Duration::from_secs(3);
const TAKES_EFFECT_WITHIN: Duration = Duration::from_secs(30);
const DIRECTIONS: [Direction; 3] = [Direction::ToServer, Direction::ToClient, Direction::Both];

pub(super) fn all() -> Vec<Scenario> {
    let plan = || Plan { links: true, ..Plan::default() };
    let all = [
        Scenario::new(
            "link-cut",
            "All connections of one process to one server are reset.",
            (200, 5),
            cut,
        ),
        Scenario::new(
            "link-truncated",
            "A connection is reset in the middle of a frame.",
            (200, 5),
            truncate,
        ),
        Scenario::new(
            "lost-commit",
            "The database commits, and the answer is lost with the connection.",
            (200, 5),
            lost_commit,
        ),
        Scenario::new(
            "link-slow",
            "Every packet of one process takes 200 ms longer, for 3 s.",
            (30, 1),
            slow,
        ),
        Scenario::new(
            "black-hole",
            "What one process sends to a server, or is sent, or both, disappears for 12 s.",
            (30, 1),
            short_hole,
        )
        .lasting(12),
        Scenario::new(
            "black-hole-90",
            "The same for 90 s, an API and a worker, each server and each direction in turn.",
            (12, 0),
            long_hole,
        )
        .lasting(90),
    ];
    all.into_iter().map(|scenario| Scenario { plan, ..scenario }).collect()
}

/// Some process's way to some server.
fn some_link<'a>(scene: &'a mut Scene<'_>) -> &'a Proxy {
    let place = scene.dice.below(scene.stage.links.len());
    let to_database = scene.dice.percent(50);
    let links = &scene.stage.links[place];
    if to_database { &links.database } else { &links.broker }
}

/// Waits until the fault was met, as the count of the tally says that belongs to it.
async fn takes_effect(proxy: &Proxy, before: Tally, count: fn(&Tally) -> u64) -> Result<()> {
    let since = Instant::now();
    while count(&proxy.tally()) == count(&before) {
        ensure!(since.elapsed() < TAKES_EFFECT_WITHIN, "nothing met the fault");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn cut<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let proxy = some_link(scene);
        let before = proxy.tally();
        proxy.cut_now();
        takes_effect(proxy, before, |tally| tally.cut).await?;
        settled_again(scene).await
    })
}

fn truncate<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let direction = *scene.dice.pick(&[Direction::ToServer, Direction::ToClient]);
        let after = scene.dice.between(0, 600);
        let proxy = some_link(scene);
        let before = proxy.tally();
        proxy.truncate(direction, after);
        takes_effect(proxy, before, |tally| tally.truncated).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn lost_commit<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(50, 400).await;
        let place = scene.dice.below(scene.stage.links.len());
        let proxy = &scene.stage.links[place].database;
        let before = proxy.tally();
        proxy.drop_answer_to(b"COMMIT", 1);
        takes_effect(proxy, before, |tally| tally.answers_lost).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn slow<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let proxy = some_link(scene);
        let before = proxy.tally();
        proxy.delay(Duration::from_millis(200));
        sleep(SLOW).await;
        takes_effect(proxy, before, |tally| tally.delayed).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn short_hole<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let direction = *scene.dice.pick(&DIRECTIONS);
        let proxy = some_link(scene);
        hole(proxy, direction, SHORT_HOLE).await?;
        settled_again(scene).await
    })
}

fn long_hole<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let turn = usize::try_from(trial - 1)?;
        let direction = DIRECTIONS[turn % 3];
        // The APIs' links come first.
        let place = if turn / 3 % 2 == 0 { 0 } else { scene.stage.apis.len() };
        let links = &scene.stage.links[place];
        let proxy = if turn / 6 % 2 == 0 { &links.database } else { &links.broker };
        hole(proxy, direction, LONG_HOLE).await?;
        settled_again(scene).await
    })
}

/// Nobody hears from the connections that are held; they are found dead by their heartbeats and limits.
async fn hole(proxy: &Proxy, direction: Direction, length: Duration) -> Result<()> {
    let before = proxy.tally();
    proxy.drop_silently(direction);
    sleep(length).await;
    takes_effect(proxy, before, |tally| tally.swallowed).await?;
    proxy.heal();
    Ok(())
}

async fn settled_again(scene: &mut Scene<'_>) -> Result<Trial> {
    let healed = Instant::now();
    let open = scene.prompt_orders().await?;
    Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
}
