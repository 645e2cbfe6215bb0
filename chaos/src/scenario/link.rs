//! The network between one process and one server: cut, slow, cut off in the middle of a frame, swallowing
//! one direction, or losing the answer to a COMMIT.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::aim::Aim;
use crate::proxy::{Direction, Proxy, Tally};
use crate::scene::{Scenario, Scene, Trial};
use crate::stage::Plan;

const SHORT_HOLE: Duration = Duration::from_secs(12);
const LONG_HOLE: Duration = Duration::from_secs(90);
const STAYS_CUT: Duration = Duration::from_secs(3);
const SLOW: Duration = Duration::from_secs(3);
const TAKES_EFFECT_WITHIN: Duration = Duration::from_secs(30);

pub(super) fn all() -> Vec<Scenario> {
    let plan = || Plan { links: true, ..Plan::default() };
    let all = [
        Scenario::new(
            "link-cut",
            "All connections of one process to one server are reset, and by chance new ones as well, for 3 s.",
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
            "The database commits, and the answer is lost with the connection; by chance the COMMIT itself is, which \
             looks the same.",
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
            "The same for 90 s: an API and a worker, each server and each direction, all in twelve trials.",
            (12, 0),
            long_hole,
        )
        .lasting(90),
    ];
    all.into_iter().map(|scenario| Scenario { plan, ..scenario }).collect()
}

/// Waits until the fault was met, as the count of the tally says that belongs to it.
async fn takes_effect(
    proxy: &Proxy,
    before: Tally,
    limit: Duration,
    count: fn(&Tally) -> u64,
) -> Result<()> {
    let since = Instant::now();
    while count(&proxy.tally()) == count(&before) {
        ensure!(since.elapsed() < limit, "nothing met the fault");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn cut<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let limit = scene.patience(TAKES_EFFECT_WITHIN);
        let stays = scene.dice.percent(30);
        scene.breaks();
        let proxy = Aim::of(trial).proxy(scene);
        let before = proxy.tally();
        if stays {
            proxy.cut();
            sleep(STAYS_CUT).await;
        } else {
            proxy.cut_now();
        }
        takes_effect(proxy, before, limit, |tally| tally.cut).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn truncate<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(100, 800).await;
        let aim = Aim::of(trial);
        let direction = match aim.direction {
            Direction::Both => *scene.dice.pick(&[Direction::ToServer, Direction::ToClient]),
            one => one,
        };
        // After nothing it would be a cut.
        let after = scene.dice.between(1, 600);
        let limit = scene.patience(TAKES_EFFECT_WITHIN);
        scene.breaks();
        let proxy = aim.proxy(scene);
        let before = proxy.tally();
        proxy.truncate(direction, after);
        takes_effect(proxy, before, limit, |tally| tally.truncated).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn lost_commit<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        scene.go_on(50, 400).await;
        let limit = scene.patience(TAKES_EFFECT_WITHIN);
        let is_done = scene.dice.percent(70);
        scene.breaks();
        let proxy = Aim::of(trial).to_database().proxy(scene);
        let before = proxy.tally();
        if is_done {
            proxy.drop_answer_to(b"COMMIT", 1);
        } else {
            proxy.drop_request(b"COMMIT", 1);
        }
        takes_effect(proxy, before, limit, |tally| tally.answers_lost + tally.requests_lost)
            .await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn slow<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(async move {
        let limit = scene.patience(TAKES_EFFECT_WITHIN);
        scene.breaks();
        let proxy = Aim::of(trial).proxy(scene);
        let before = proxy.tally();
        proxy.delay(Duration::from_millis(200));
        sleep(SLOW).await;
        takes_effect(proxy, before, limit, |tally| tally.delayed).await?;
        proxy.heal();
        settled_again(scene).await
    })
}

fn short_hole<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(hole(scene, trial, SHORT_HOLE))
}

fn long_hole<'a>(scene: &'a mut Scene<'_>, trial: u32) -> BoxFuture<'a, Result<Trial>> {
    Box::pin(hole(scene, trial, LONG_HOLE))
}

/// Nobody hears from the connections that are held; they are found dead by their heartbeats and limits.
async fn hole(scene: &mut Scene<'_>, trial: u32, length: Duration) -> Result<Trial> {
    scene.go_on(100, 800).await;
    let limit = scene.patience(TAKES_EFFECT_WITHIN);
    let aim = Aim::of(trial);
    scene.breaks();
    let proxy = aim.proxy(scene);
    let before = proxy.tally();
    proxy.drop_silently(aim.direction);
    sleep(length).await;
    takes_effect(proxy, before, limit, |tally| tally.swallowed).await?;
    proxy.heal();
    settled_again(scene).await
}

/// After the network was healed.
async fn settled_again(scene: &mut Scene<'_>) -> Result<Trial> {
    scene.heals();
    let healed = Instant::now();
    let open = scene.prompt_orders().await?;
    Ok(Trial::recovered(scene.until_settled(&open, healed).await?))
}
