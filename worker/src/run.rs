//! A worker's life: wait for the database, start the lanes, the relay and the consumers, work, drain.

use std::time::Duration;

use anyhow::Context as _;
use futures::future::BoxFuture;
use ordermill_common::broker::{
    Broker, Consumer, ConsumerConfig, Delivery, Disposition, Link, Publisher, Queue,
};
use ordermill_common::db::{self, Db};
use ordermill_common::id::OwnerId;
use ordermill_common::log::chain;
use ordermill_common::ops::{Part, Readiness, Standing, listen, serve_health};
use ordermill_common::outbox::{Relay, RelayConfig};
use ordermill_common::owner::{Presence, Role};
use ordermill_common::retry::Backoff;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::charge::Till;
use crate::config::RunArgs;
use crate::pipeline::Pipeline;
use crate::sweep::Sweeper;
use crate::task::Holder;
use crate::{delivery, gateway};

/// How long a batch is tried again before its messages go back to the broker.
const PATIENCE: Duration = Duration::from_secs(30);
/// Wishes to cancel held at once; they are few, and must not wait for each other.
const CANCEL_PREFETCH: u16 = 100;
const DEAD_PREFETCH: u16 = 20;

/// Works until `shutdown`, then drains within the configured time.
pub async fn run(args: &RunArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let owner = OwnerId::mint();
    let db = Db::new(&args.database.database_url, 4).context("DATABASE_URL cannot be used")?;
    let broker = Broker::new(&args.broker.amqp_url, &args.broker.queue_prefix)
        .context("AMQP_URL cannot be used")?;
    let gateway = gateway::of(&args.payment, owner)?;
    let admin =
        listen("admin", args.health.admin_addr, args.health.admin_port_file.as_deref()).await?;

    let tasks = TaskTracker::new();
    let (leave, consuming) = (CancellationToken::new(), CancellationToken::new());
    let mut links = Vec::new();
    let publisher = Publisher::start(&broker, &tasks);
    links.push(("publisher", publisher.link()));
    let timeout = args.payment.timeout();
    let charges = usize::from(args.payment.charges);
    let till = Till::new(gateway, charges, timeout, args.shop.currency);
    let holder = Holder { owner, lease: Till::lease(timeout) };
    let checkouts = Consumer::new(&broker, config(args, Queue::Checkout, prefetch(args)));
    let cancels = Consumer::new(&broker, config(args, Queue::Cancel, CANCEL_PREFETCH));
    let dead = Consumer::new(&broker, config(args, Queue::Dead, DEAD_PREFETCH));
    links.push(("orders.checkout", checkouts.link()));
    links.push(("orders.cancel", cancels.link()));
    links.push(("orders.dead", dead.link()));
    let health = WorkerHealth { db: db.clone(), links };
    tasks.spawn(serve_health(admin, health, shutdown.clone(), leave.clone()));

    let entering = async {
        wait_for_database(&db, args.database.allow_unsafe_database).await?;
        tracing::info!(owner = %owner, "working");
        // Before the first lease is taken, so that all of them end with this process.
        Presence::start(&db, owner, Role::Worker, leave.clone(), &tasks).await;
        anyhow::Ok(())
    };
    if let Some(entered) = shutdown.run_until_cancelled(entering).await {
        entered?;
        let limits = args.batch.limits(PATIENCE);
        let lanes = TaskTracker::new();
        let pipeline = Pipeline::start(&db, holder, till, limits, &lanes);
        let relay = Relay::start(&db, publisher, RelayConfig::new(owner), leave.clone(), &tasks);
        let sweeper = Sweeper { db: db.clone(), owner, relay };
        let consumers = TaskTracker::new();
        consumers.spawn(sweeper.run(consuming.clone()));
        consumers.spawn(checkouts.run(into(&pipeline), consuming.clone()));
        consumers.spawn(cancels.run(into(&pipeline), consuming.clone()));
        let store = db.clone();
        consumers.spawn(
            dead.run(move |letter| crate::dead::handle(store.clone(), letter), consuming.clone()),
        );
        drop(pipeline);
        shutdown.cancelled().await;
        consuming.cancel();
        finish(&consumers, args.shop.drain(), "deliveries").await;
        finish(&lanes, Duration::from_secs(5), "batches").await;
    } else {
        // No relay has taken it, and its task ends only with it.
        drop(publisher);
    }
    leave.cancel();
    finish(&tasks, Duration::from_secs(5), "connections").await;
    db.close().await;
    Ok(())
}

fn prefetch(args: &RunArgs) -> u16 {
    let batches = args.batch.lanes.saturating_mul(args.batch.batch);
    args.payment.charges.saturating_add(batches.saturating_mul(2))
}

fn config(args: &RunArgs, queue: Queue, prefetch: u16) -> ConsumerConfig {
    ConsumerConfig::new(queue, prefetch, args.shop.drain())
}

fn into(
    pipeline: &Pipeline,
) -> impl Fn(Delivery) -> BoxFuture<'static, Disposition> + Send + Sync + 'static {
    let pipeline = pipeline.clone();
    move |letter| Box::pin(delivery::handle(pipeline.clone(), letter))
}

async fn finish(tasks: &TaskTracker, limit: Duration, what: &str) {
    tasks.close();
    if tokio::time::timeout(limit, tasks.wait()).await.is_err() {
        tracing::warn!(
            what,
            left = tasks.len(),
            "not finished in time; it will be resumed elsewhere"
        );
    }
}

/// Waits until the database answers, its schema is current and its settings are safe; an error when the
/// settings are not safe.
async fn wait_for_database(db: &Db, allow_unsafe: bool) -> anyhow::Result<()> {
    let mut waits = Backoff::reconnect();
    let mut told = String::new();
    loop {
        let why = match db::migrations_are_current(db).await {
            Ok(false) => "the schema is not current; run `ordermill-api migrate`".to_owned(),
            Err(error) => chain(&error),
            Ok(true) => match db::refuse_unsafe(db).await {
                Err(error) => chain(&error),
                Ok(Err(wrong)) if !allow_unsafe => return Err(wrong.into()),
                Ok(safe) => {
                    if let Err(wrong) = safe {
                        tracing::warn!(why = %wrong, "starting on an unsafe database");
                    }
                    return Ok(());
                }
            },
        };
        if told != why {
            tracing::warn!(reason = why, "waiting for the database");
            told = why;
        }
        tokio::time::sleep(waits.next_wait()).await;
    }
}

struct WorkerHealth {
    db: Db,
    links: Vec<(&'static str, Link)>,
}

impl Readiness for WorkerHealth {
    fn look(&self) -> BoxFuture<'_, Vec<Part>> {
        Box::pin(async move {
            let database = match self.db.ping().await {
                Ok(()) => Standing::Ok,
                Err(error) => Standing::Failed(chain(&error)),
            };
            let mut parts = vec![Part::new("database", database)];
            parts.extend(self.links.iter().map(|(name, link)| {
                let standing = if link.is_open() {
                    Standing::Ok
                } else {
                    Standing::Failed(link.state().to_string())
                };
                Part::new(name, standing)
            }));
            parts
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn with(options: &[&str]) -> RunArgs {
        let servers = ["worker", "--database-url", "mysql://db/shop", "--amqp-url", "amqp://mq"];
        Line::try_parse_from([&servers, options].concat()).unwrap().run
    }

    #[test]
    fn every_charge_and_two_rounds_of_batches_are_fetched_at_once_at_most_all_that_a_broker_takes()
    {
        let args = with(&["--charges", "10", "--lanes", "3", "--batch", "20"]);
        assert_eq!(prefetch(&args), 130);
        let largest = with(&["--charges", "4096", "--lanes", "64", "--batch", "1000"]);
        assert_eq!(prefetch(&largest), u16::MAX);
    }
}
