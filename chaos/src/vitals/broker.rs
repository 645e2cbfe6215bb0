//! What the broker says of the connections to it.

use anyhow::Result;
use tokio::task::block_in_place;

use crate::stage::Stage;

/// What it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broker {
    pub(super) connections: usize,
    pub(super) channels: usize,
    /// Of this installation.
    pub(super) consumers: usize,
}

impl Broker {
    pub(super) fn count(stage: &Stage<'_>) -> Result<Self> {
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

/// Consumers of this installation that the broker may send everything at once: a reconnect that forgot its
/// prefetch. (A prefetch of 0 is none.)
pub(super) fn unlimited(stage: &Stage<'_>) -> Result<Vec<String>> {
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
