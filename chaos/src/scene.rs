//! A scenario on its stage: what its trials act on.

use std::time::Duration;

use anyhow::Result;
use futures::future::BoxFuture;
use ordermill_common::id::OrderId;
use tokio::time::{Instant, sleep};

use crate::check::Expected;
use crate::crowd::{Crowd, Mood};
use crate::dice::Dice;
use crate::run::Rigour;
use crate::stage::{Plan, Sight, Stage};

/// Longest wait for a recovery; more is a violation.
const LONGEST_RECOVERY: Duration = Duration::from_mins(1);

/// A way to break things, tried many times under load.
#[derive(Clone)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is broken, in a sentence.
    pub about: &'static str,
    /// Trials of a full run.
    pub trials: u32,
    /// Trials of a quick run; 0 leaves it out.
    pub quick: u32,
    /// What the median of the recoveries must not exceed, where that was promised.
    pub median: Option<Duration>,
    /// The installation.
    pub plan: fn() -> Plan,
    /// The load.
    pub mood: fn() -> Mood,
    /// Orders are begun at so many hundredths of the rate at which they can be; otherwise as the mood has it.
    pub share: Option<u32>,
    /// How long one fault lasts at most; an order that waits for longer than that and a minute is late,
    /// whatever it met.
    pub longest_fault: Duration,
    /// What a trial does.
    pub act: Act,
}

/// One trial: breaks something and heals it.
pub type Act = for<'a> fn(&'a mut Scene<'_>, u32) -> BoxFuture<'a, Result<Trial>>;

impl Scenario {
    /// On the usual installation under the usual load; `trials` of a full run and of a quick one.
    pub fn new(name: &'static str, about: &'static str, trials: (u32, u32), act: Act) -> Self {
        let (trials, quick) = trials;
        let (plan, mood) = (Plan::default, Mood::default);
        Self {
            name,
            about,
            trials,
            quick,
            median: None,
            plan,
            mood,
            share: None,
            longest_fault: Duration::from_secs(10),
            act,
        }
    }

    /// With faults that last so long.
    #[must_use]
    pub fn lasting(self, seconds: u64) -> Self {
        Self { longest_fault: Duration::from_secs(seconds), ..self }
    }

    /// With a promise of how long the median recovery takes at most.
    #[must_use]
    pub fn recovers_within(self, seconds: u64) -> Self {
        Self { median: Some(Duration::from_secs(seconds)), ..self }
    }
}

/// What a trial did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trial {
    /// Faults that took effect.
    pub faults: u32,
    /// How long the installation needed to recover; none when nothing was waiting for that.
    pub recovery: Option<Duration>,
}

impl Trial {
    /// One fault, and the recovery from it.
    pub fn recovered(recovery: impl Into<Option<Duration>>) -> Self {
        Self { faults: 1, recovery: recovery.into() }
    }
}

/// Where a scenario plays.
#[derive(Debug)]
pub struct Scene<'g> {
    /// The installation.
    pub stage: Stage<'g>,
    /// The load.
    pub crowd: Crowd,
    /// The scenario's chance.
    pub dice: Dice,
    /// What it leaves behind on purpose.
    pub expected: Expected,
    /// What its trials judge.
    pub rigour: Rigour,
    /// From then on nothing is broken and everybody buys.
    pub whole_since: Instant,
}

impl Scene<'_> {
    /// Notes that something is broken from here on, and excuses who waits. In a run that notes some faults one
    /// that it does not note excuses nobody.
    pub fn breaks(&mut self) {
        self.expected.troubles.begin();
    }

    /// Notes that whatever was broken is whole again: within half a minute from here the rate is back, and within
    /// a minute all that waited has ended.
    pub fn heals(&mut self) {
        self.expected.troubles.end();
        self.whole_since = Instant::now();
    }

    /// Lets the load go on for a while that chance chooses.
    pub async fn go_on(&mut self, low_ms: u64, high_ms: u64) {
        sleep(Duration::from_millis(self.dice.between(low_ms, high_ms))).await;
    }

    /// How long something is waited for that a machine with time to spare does long before: longer where
    /// slowness is not judged.
    pub fn patience(&self, usual: Duration) -> Duration {
        match self.rigour {
            Rigour::Full => usual,
            Rigour::Safety => usual * 3,
        }
    }

    /// The longest wait for a recovery.
    pub fn longest_recovery(&self) -> Duration {
        self.patience(LONGEST_RECOVERY)
    }

    /// The orders that would be settled at once if nothing were broken.
    pub async fn prompt_orders(&self) -> Result<Vec<OrderId>> {
        Sight::prompt_orders(&self.stage.db).await
    }

    /// Waits until these orders are settled, and answers how long that took; `None` when there were none.
    pub async fn until_settled(
        &self,
        orders: &[OrderId],
        since: Instant,
    ) -> Result<Option<Duration>> {
        let limit = self.longest_recovery();
        let took = Sight::until_settled(&self.stage.db, orders, since, limit).await?;
        Ok((!orders.is_empty()).then_some(took))
    }

    /// Waits for the next order that is settled.
    pub async fn until_next(&self, since: Instant) -> Result<Duration> {
        Sight::until_next(&self.stage.db, since, self.longest_recovery()).await
    }

    /// Waits until every message that is in the outbox has left it.
    pub async fn until_sent(&self, since: Instant) -> Result<()> {
        Sight::until_sent(&self.stage.db, since, self.longest_recovery()).await
    }

    /// A place among the workers that are not spared.
    pub fn some_worker(&mut self) -> usize {
        self.dice.below(self.stage.workers.len() - self.stage.spared)
    }

    /// A place among the APIs that are not spared.
    pub fn some_api(&mut self) -> usize {
        self.dice.below(self.stage.apis.len() - self.stage.spared)
    }
}
