//! What each process holds open: files, connections and channels must not grow with the faults, and every
//! consumer has to be there again.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::stage::{Member, Sight, Stage};

/// Pools keep what a burst needed, up to their size; a leak shows as one more for each fault.
const SLACK: usize = 20;
/// How long idle connections are kept, and a consumer goes unnoticed that the broker forgot, at most.
const QUIET: Duration = Duration::from_secs(100);

/// A process, by its id, and its open files.
#[derive(Debug)]
struct Sign {
    name: String,
    pid: u32,
    files: usize,
}

/// What was open at one time.
#[derive(Debug)]
pub struct Vitals {
    signs: Vec<Sign>,
    /// To the database.
    connections: usize,
    broker: Broker,
}

/// What the broker counts.
#[derive(Debug, Clone, Copy)]
struct Broker {
    connections: usize,
    channels: usize,
    /// Of this installation.
    consumers: usize,
}

impl Vitals {
    /// Counts now.
    pub async fn take(stage: &Stage<'_>) -> Result<Self> {
        let members = stage.apis.iter().chain(&stage.workers).chain([&stage.gateway]);
        let signs = members.filter_map(sign).collect();
        let connections = usize::try_from(Sight::connections(&stage.db).await?)?;
        Ok(Self { signs, connections, broker: Broker::count(stage)? })
    }

    /// Waits until nothing has grown, of the processes that still run, and answers what has not gone back
    /// to what it was.
    pub async fn compare(&self, stage: &Stage<'_>) -> Vec<String> {
        let started = Instant::now();
        loop {
            let grown = self.grown(stage).await;
            if grown.is_empty() || started.elapsed() > QUIET {
                return grown;
            }
            sleep(Duration::from_secs(3)).await;
        }
    }

    async fn grown(&self, stage: &Stage<'_>) -> Vec<String> {
        let now = match Self::take(stage).await {
            Ok(now) => now,
            Err(error) => {
                return vec![format!("open files and connections are unknown: {error:#}")];
            }
        };
        let mut grown = Vec::new();
        for before in &self.signs {
            let same = now.signs.iter().find(|sign| sign.pid == before.pid);
            if let Some(after) = same.filter(|after| after.files > before.files + SLACK) {
                let (name, was, is) = (&before.name, before.files, after.files);
                grown.push(format!("LEAK: {name} had {was} open files and has {is}"));
            }
        }
        grown.extend(stage.messages().unwrap_or_else(|error| vec![format!("{error:#}")]));
        grown.extend(unlimited(stage).unwrap_or_else(|error| vec![format!("{error:#}")]));
        let (was, is) = (self.broker, now.broker);
        let slack = SLACK * stage.apis.len().max(1);
        for (what, was, is, slack) in [
            ("connections to the database", self.connections, now.connections, slack),
            ("connections to the broker", was.connections, is.connections, 0),
            // Those that publish are opened as they are needed.
            ("channels", was.channels, is.channels, SLACK),
        ] {
            if is > was + slack {
                grown.push(format!("LEAK: {what} were {was} and are {is}"));
            }
        }
        if is.consumers != was.consumers {
            grown.push(format!(
                "CONSUMERS: {} there were, {} there are",
                was.consumers, is.consumers
            ));
        }
        grown
    }
}

/// Consumers of this installation that the broker may send everything at once: a reconnect that forgot its
/// prefetch. (A prefetch of 0 is none.)
fn unlimited(stage: &Stage<'_>) -> Result<Vec<String>> {
    let consumers = consumers(stage)?;
    let forgotten = consumers.iter().filter(|line| line.split_whitespace().last() == Some("0"));
    Ok(forgotten.map(|line| format!("PREFETCH: without a limit: {line}")).collect())
}

/// The queue and the prefetch of each consumer of this installation.
fn consumers(stage: &Stage<'_>) -> Result<Vec<String>> {
    let ask = ["list_consumers", "queue_name", "prefetch_count", "--silent"];
    let consumers = block_in_place(|| stage.grounds.ask_broker(&ask))?;
    let ours = consumers.lines().filter(|line| line.starts_with(stage.site.queue_prefix()));
    Ok(ours.map(str::to_owned).collect())
}

impl Broker {
    fn count(stage: &Stage<'_>) -> Result<Self> {
        let ask = ["list_connections", "channels", "--silent"];
        let answer = block_in_place(|| stage.grounds.ask_broker(&ask))?;
        let channels: Vec<usize> =
            answer.split_whitespace().filter_map(|channels| channels.parse().ok()).collect();
        Ok(Self {
            connections: channels.len(),
            channels: channels.iter().sum(),
            consumers: consumers(stage)?.len(),
        })
    }
}

fn sign(member: &Member) -> Option<Sign> {
    let pid = member.pid()?;
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Sign { name: member.name().to_owned(), pid, files })
}
