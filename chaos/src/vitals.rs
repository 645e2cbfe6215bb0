//! What each process holds open: files, connections and channels must not grow with the faults, and every
//! consumer has to be there again.
//!
//! The start value is that of a fresh installation that nobody has used yet, the end that of one that everybody
//! has left. What is kept for a while is gone from both: pools let go of connections after 10 s and their server
//! after 15, the client of the payment gateway after 15, the clients of the APIs are gone themselves. So a process
//! that lives since the beginning and one that was just started hold the same, but for one thing: the broker's
//! library starts a runtime of its own, once, when it first loses a connection.

mod broker;

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

use crate::stage::{Links, Member, Sight, Stage};
use broker::{Broker, unlimited};

/// Of all processes together: less than one more for each of twenty faults, and more than what a look from
/// outside, a probe or a timer may leave open for a moment.
const SLACK: usize = 10;
/// How long idle connections are kept, and a consumer goes unnoticed that the broker forgot, at most.
const QUIET: Duration = Duration::from_secs(100);
/// How long a fresh installation may take until every task of it has connected.
const ENTERING: Duration = Duration::from_mins(1);

/// What a process is, and so what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Gateway,
    Api,
    Worker,
}

impl Role {
    /// What a process that has been at work may hold beyond a fresh one.
    const fn more_than_fresh(self) -> usize {
        match self {
            Self::Gateway => 0,
            Self::Api | Self::Worker => RUNTIME,
        }
    }
}

/// What that runtime holds open.
const RUNTIME: usize = 3;

/// A process and its open files, sockets among them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sign {
    role: Role,
    name: String,
    files: usize,
}

/// What was open at one time.
#[derive(Debug)]
pub struct Vitals {
    signs: Vec<Sign>,
    /// To the database.
    connections: usize,
    broker: Broker,
    links: Vec<Linked>,
}

/// The connections of a process that has proxies, also those that only the process still holds.
#[derive(Debug)]
struct Linked {
    name: String,
    database: u64,
    broker: u64,
}

impl Linked {
    fn of(member: &Member, links: &Links) -> Self {
        Self {
            name: member.name().to_owned(),
            database: links.database.tally().open,
            broker: links.broker.tally().open,
        }
    }

    fn grown(&self, fresh: &Self) -> Vec<String> {
        let servers =
            [("database", fresh.database, self.database), ("broker", fresh.broker, self.broker)];
        let grown = servers.into_iter().filter(|(_, was, is)| is > was);
        grown
            .map(|(server, was, is)| {
                format!("LEAK: links of {} to the {server} were {was} and are {is}", self.name)
            })
            .collect()
    }
}

impl Vitals {
    /// Counts of an installation that has just started and that nobody uses, as soon as nothing changes.
    pub async fn of_a_fresh(stage: &Stage<'_>) -> Result<Self> {
        let started = Instant::now();
        let mut before = Self::take(stage).await?;
        loop {
            sleep(Duration::from_secs(1)).await;
            let now = Self::take(stage).await?;
            let same = now.broker == before.broker && now.signs == before.signs;
            if same && now.broker.consumers > 0 {
                return Ok(now);
            }
            if started.elapsed() > ENTERING {
                bail!("the installation does not come to rest: {before:?}, then {now:?}");
            }
            before = now;
        }
    }

    async fn take(stage: &Stage<'_>) -> Result<Self> {
        let gateway = [(Role::Gateway, &stage.gateway)].into_iter();
        let apis = stage.apis.iter().map(|api| (Role::Api, api));
        let workers = stage.workers.iter().map(|worker| (Role::Worker, worker));
        let linked = apis.chain(workers);
        let signs = gateway.chain(linked.clone()).filter_map(sign).collect();
        let connections = usize::try_from(Sight::connections(&stage.db).await?)?;
        let links = linked.zip(&stage.links).map(|((_, member), links)| Linked::of(member, links));
        let links = links.collect();
        Ok(Self { signs, connections, broker: Broker::count(stage)?, links })
    }

    /// Waits until no more is open than in the beginning, and answers what has not gone back to that.
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
        let mut grown: Vec<String> = leaking(&self.signs, &now.signs).into_iter().collect();
        grown.extend(stage.messages().unwrap_or_else(|error| vec![format!("{error:#}")]));
        grown.extend(unlimited(stage).unwrap_or_else(|error| vec![format!("{error:#}")]));
        let (was, is) = (self.broker, now.broker);
        for (what, was, is, slack) in [
            ("connections to the database", self.connections, now.connections, SLACK),
            ("connections to the broker", was.connections, is.connections, 0),
            ("channels", was.channels, is.channels, SLACK),
        ] {
            if is > was + slack {
                grown.push(format!("LEAK: {what} were {was} and are {is}"));
            }
        }
        for (fresh, now) in self.links.iter().zip(&now.links) {
            grown.extend(now.grown(fresh));
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

/// What is open beyond what a fresh process of the role and all of its lanes hold, if that is too much. The
/// processes may be others than they were: what one of them misses excuses no other.
fn leaking(fresh: &[Sign], now: &[Sign]) -> Option<String> {
    let mut most = HashMap::<Role, usize>::new();
    for Sign { role, files, .. } in fresh {
        let most = most.entry(*role).or_default();
        *most = (*most).max(*files);
    }
    let mut all = 0;
    let mut words = Vec::new();
    for Sign { role, name, files } in now {
        let usual = most.get(role).copied().unwrap_or(0) + role.more_than_fresh();
        let over = files.saturating_sub(usual);
        if over > 0 {
            words.push(format!("{name} has {files} open files instead of {usual}"));
        }
        all += over;
    }
    (all > SLACK).then(|| format!("LEAK: {}", words.join(", ")))
}

fn sign((role, member): (Role, &Member)) -> Option<Sign> {
    let pid = member.pid()?;
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    Some(Sign { role, name: member.name().to_owned(), files })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(files: [usize; 3]) -> Vec<Sign> {
        let roles = [Role::Gateway, Role::Api, Role::Worker];
        let named = |(role, files)| Sign { role, name: format!("{role:?}"), files };
        roles.into_iter().zip(files).map(named).collect()
    }

    #[test]
    fn one_more_for_each_of_twenty_faults_is_a_leak_wherever_it_is() {
        let fresh = signs([12, 30, 40]);
        let used = [12, 30 + Role::Api.more_than_fresh(), 40 + Role::Worker.more_than_fresh()];
        assert_eq!(leaking(&fresh, &signs(used)), None);
        let [gateway, api, worker] = used;
        assert_eq!(leaking(&fresh, &signs([gateway + 2, api + 4, worker + 4])), None);
        for leaky in [
            [gateway + 20, api, worker],
            [gateway, api + 20, worker],
            [gateway, api - 2, worker + 20],
            [gateway + 7, api + 7, worker + 6],
        ] {
            let words = leaking(&fresh, &signs(leaky)).unwrap_or_default();
            assert!(words.contains("open files instead of"), "{words}");
        }
    }

    #[test]
    fn a_process_that_is_gone_is_no_leak() {
        assert_eq!(leaking(&signs([12, 30, 40]), &[]), None);
    }

    #[test]
    fn one_link_more_is_a_leak() {
        let linked = |database, broker| Linked { name: "worker-1".to_owned(), database, broker };
        let fresh = linked(3, 4);
        assert_eq!(linked(2, 4).grown(&fresh), [""; 0]);
        assert_eq!(linked(4, 5).grown(&fresh).len(), 2);
    }
}
