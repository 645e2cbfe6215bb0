//! SIGKILLs during the replay: a worker, the API, RabbitMQ, the database, in turn and evenly spaced.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::buyer::Stage;
use crate::installation::{Grounds, Processes, Site};
use crate::live;

// Long enough for buyers to run into it.
const DOWN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
enum Victim {
    Worker,
    Api,
    Broker,
    Database,
}

const VICTIMS: [Victim; 4] = [Victim::Worker, Victim::Api, Victim::Broker, Victim::Database];

/// What can be killed.
#[derive(Debug)]
pub struct Running {
    /// The servers.
    pub grounds: Grounds,
    /// The site.
    pub site: Arc<Site>,
    /// Its processes.
    pub processes: Processes,
}

/// Kills and restarts everything once while the invoices go on, and answers what was killed. Invoices
/// after the next kill's place are held back until it is its turn, so that every kill meets some.
pub async fn kill_each(running: &mut Running, stage: &Arc<Stage>) -> Result<Vec<&'static str>> {
    let count = stage.plan.invoices.len();
    let place = |turn: usize| count * turn / (VICTIMS.len() + 1);
    let mut killed = Vec::new();
    stage.turns.hold_from(place(2));
    for (turn, victim) in VICTIMS.into_iter().enumerate() {
        stage.turns.reached(place(turn + 1)).await;
        let started = Instant::now();
        let name = victim.name();
        live::note(&format!("✗ killing {name}"));
        block_in_place(|| victim.kill(running))?;
        sleep(DOWN).await;
        block_in_place(|| victim.restart(running))?;
        let seconds = started.elapsed().as_secs_f64();
        live::note(&format!("✓ {name} runs again after {seconds:.1} s"));
        killed.push(name);
        let is_last = killed.len() + 1 >= VICTIMS.len();
        stage.turns.hold_from(if is_last { usize::MAX } else { place(turn + 3) });
    }
    Ok(killed)
}

impl Victim {
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "a worker",
            Self::Api => "the API",
            Self::Broker => "RabbitMQ",
            Self::Database => "the database",
        }
    }

    fn kill(self, running: &mut Running) -> Result<()> {
        match self {
            Self::Worker => running.processes.kill_worker(),
            Self::Api => running.processes.kill_api(),
            Self::Broker => running.grounds.kill_broker()?,
            Self::Database => running.grounds.kill_database()?,
        }
        Ok(())
    }

    fn restart(self, running: &mut Running) -> Result<()> {
        match self {
            Self::Worker => running.processes.restart_worker(&running.site),
            Self::Api => running.processes.restart_api(&running.site),
            Self::Broker => running.grounds.restart_broker(),
            Self::Database => running.grounds.restart_database(),
        }
    }
}
