//! The network between one process and one server: cut, slow, cut off in the middle of a frame, swallowing
//! one direction, or losing the answer to a COMMIT.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::proxy::{Direction, Proxy};
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

const SHORT_HOLE: Duration = Duration::from_secs(12);
const LONG_HOLE: Duration = Duration::from_secs(90);
const SLOW: Duration = Duration::from_secs(3);
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
        ),
        Scenario::new("black-hole-90", "The same for 90 s.", (6, 0), long_hole),
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

fn cut<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        some_link(scene).cut_now();
        settled_again(scene, 1).await
    })
}

fn truncate<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let direction = *scene.dice.pick(&[Direction::ToServer, Direction::ToClient]);
        let after = scene.dice.between(0, 600);
        some_link(scene).truncate(direction, after);
        settled_again(scene, 1).await
    })
}

fn lost_commit<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(50, 400).await;
        let place = scene.dice.below(scene.stage.links.len());
        let proxy = &scene.stage.links[place].database;
        let before = proxy.tally().answers_lost;
        proxy.drop_answer_to(b"COMMIT", 1);
        let asked = Instant::now();
        while proxy.tally().answers_lost == before {
            ensure!(asked.elapsed() < Duration::from_secs(30), "no COMMIT passed by");
            sleep(Duration::from_millis(10)).await;
        }
        proxy.heal();
        settled_again(scene, 1).await
    })
}

fn slow<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let proxy = some_link(scene);
        proxy.delay(Duration::from_millis(200));
        sleep(SLOW).await;
        proxy.heal();
        settled_again(scene, 1).await
    })
}

fn short_hole<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(hole(scene, SHORT_HOLE))
}

fn long_hole<'a>(scene: &'a mut Scene<'_>, _: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(hole(scene, LONG_HOLE))
}

async fn hole(scene: &mut Scene<'_>, length: Duration) -> Result<Trial> {
    scene.go_on(100, 800).await;
    let direction = *scene.dice.pick(&DIRECTIONS);
    let proxy = some_link(scene);
    proxy.drop_silently(direction);
    sleep(length).await;
    proxy.heal();
    // Nobody hears from the connections that were held; they are found dead by their heartbeats and limits.
    settled_again(scene, 1).await
}

async fn settled_again(scene: &mut Scene<'_>, faults: u32) -> Result<Trial> {
    let healed = Instant::now();
    let open = scene.prompt_orders().await?;
    let took = scene.until_settled(&open, healed).await?;
    Ok(Trial { faults, recovery: Some(took) })
}
