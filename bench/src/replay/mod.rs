//! Replays the invoices of a real shop through the public HTTP API, and accounts for every row.
//!
//! Rows become a [`plan`] (pure); [`setup`] opens the shop; each [`buyer`] goes through its invoices in
//! order, all buyers side by side as [`turns`] allow; every invoice has one [`outcome`]; in the end the
//! shop's own lists are compared with what the buyers saw ([`recount`]), and the [`report`] adds up.

pub mod buyer;
pub mod dirt;
mod give_back;
pub mod kills;
pub mod outcome;
pub mod plan;
pub mod recount;
pub mod report;
pub mod returns;
pub mod rows;
pub mod setup;
pub mod turns;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::Instant;

use self::buyer::Stage;
use self::kills::Running;
use self::outcome::Outcomes;
use self::plan::Plan;
use self::report::Report;
use self::rows::Rows;
use self::turns::Turns;
use crate::client::Client;
use crate::installation::{Admin, Grounds, Processes, Settings, Site};
use crate::target::{PrivateArgs, Target, TargetArgs};
use crate::{live, target};

const CALL_LIMIT: Duration = Duration::from_mins(2);
const REQUESTS_IN_FLIGHT: usize = 64;
const CURRENCY: &str = "GBP";

/// What to replay, where, and how.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files in the format of UCI Online Retail, plain or gzipped.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How many times faster than the invoices were written, or `max`: nobody waits.
    #[arg(long, default_value = "max")]
    pub speed: Speed,
    /// SIGKILL and restart a worker, the API, the broker and the database in turn on the way.
    #[arg(long)]
    pub kill_each: bool,
    /// A running installation to use.
    #[command(flatten)]
    pub target: TargetArgs,
    /// A private installation, without --api.
    #[command(flatten)]
    pub private: PrivateArgs,
}

/// How fast a replay goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times real time.
    Times(f64),
    /// As fast as it goes.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("a number above 0, or max".to_owned()),
        }
    }
}

/// Replays and answers the report; whoever called decides by [`Report::is_clean`].
pub async fn run(args: ReplayArgs) -> Result<Report> {
    let plan = Plan::new(&Rows::open(&args.files)?);
    if plan.invoices.is_empty() {
        bail!("the files hold no invoice");
    }
    live::note(&format!(
        "{} rows: {} invoices of {} buyers, {} products",
        plan.rows.all(),
        plan.invoices.len(),
        plan.buyers.len(),
        plan.products.len()
    ));
    match &args.target.api {
        Some(_) if args.kill_each => {
            bail!("--kill-each needs a private installation: leave --api away")
        }
        Some(_) => {
            let target = args.target.running().await?;
            let (report, _) = replay(&target, plan, args.speed, None).await?;
            let verdict = args.target.verify(args.private.commands.database_url.as_deref())?;
            Ok(report.verified(verdict))
        }
        None if args.kill_each && !args.private.commands.can_kill() => bail!(
            "--kill-each with given servers needs --kill-database-with, --kill-broker-with and \
             --restart-with"
        ),
        None => {
            let (speed, kills) = (args.speed, args.kill_each);
            let settings = Settings { currency: CURRENCY.into(), workers: 2, more: Vec::new() };
            let work = async |grounds, site| on_site(grounds, &site, plan, speed, kills).await;
            let work = async |grounds| target::on_site(grounds, settings, work).await;
            target::on_private_grounds(args.private, Report::is_clean, work).await
        }
    }
}

/// In an installation of its own.
async fn on_site(
    grounds: Grounds,
    site: &Arc<Site>,
    plan: Plan,
    speed: Speed,
    kills: bool,
) -> Result<Report> {
    let processes = block_in_place(|| Processes::start(site))?;
    let target = Target {
        address: site.address(),
        admin: Admin::clone(site.admin()),
        currency: CURRENCY.into(),
    };
    let running = Running { grounds, site: Arc::clone(site), processes };
    let (report, running) = replay(&target, plan, speed, Some((running, kills))).await?;
    let running = running.context("what was handed over was not given back")?;
    block_in_place(|| {
        let verdict = site.verify()?;
        running.processes.stop()?;
        Ok(report.verified(Some(verdict)).logged(&site.errors_logged()?))
    })
}

/// Replays on a running installation. What can be killed is handed over and given back.
async fn replay(
    target: &Target,
    plan: Plan,
    speed: Speed,
    killable: Option<(Running, bool)>,
) -> Result<(Report, Option<Running>)> {
    let client = Arc::new(Client::new(target.address.clone(), CALL_LIMIT));
    let opened = setup::open(&client, &target.admin, &target.currency, &plan).await?;
    let started = Instant::now();
    let stage = Arc::new(Stage {
        turns: Turns::new(plan.invoices.len()),
        outcomes: Outcomes::new(plan.invoices.len()),
        requests: Semaphore::new(REQUESTS_IN_FLIGHT),
        client: Arc::clone(&client),
        currency: target.currency.clone(),
        speed: match speed {
            Speed::Times(times) => Some((started, times)),
            Speed::Max => None,
        },
        opened,
        plan,
    });
    let line = || {
        let (seconds, repeats) = (started.elapsed().as_secs(), client.repeats());
        format!("{seconds:3} s: {} ({repeats} calls repeated)", stage.outcomes.line())
    };
    let (kills, still_running) = live::show(line, perform(&stage, killable)).await??;
    let seconds = started.elapsed().as_secs_f64();
    let ends = live::show(line, recount::recount(&stage, still_running)).await?;
    let (running, killed) = kills.unzip();
    let killed = killed.unwrap_or_default();
    Ok((Report::new(&stage, &ends, client.repeats(), &killed, seconds), running))
}

type Kills = Option<(Running, Vec<&'static str>)>;

/// Lets all buyers go through their invoices while things are killed.
async fn perform(
    stage: &Arc<Stage>,
    killable: Option<(Running, bool)>,
) -> Result<(Kills, Vec<buyer::Running>)> {
    let mut buyers = JoinSet::new();
    for buyer in 0..stage.plan.buyers.len() {
        let stage = Arc::clone(stage);
        buyers.spawn(buyer::visit(stage, buyer));
    }
    let mut kills = JoinSet::new();
    if let Some((mut running, wanted)) = killable {
        let stage = Arc::clone(stage);
        kills.spawn(async move {
            let killed =
                if wanted { kills::kill_each(&mut running, &stage).await? } else { Vec::new() };
            anyhow::Ok((running, killed))
        });
    }
    // A kill that failed ends everything: the invoices after it would wait for ever.
    let killed = match kills.join_next().await {
        Some(killed) => Some(killed??),
        None => None,
    };
    Ok((killed, buyers.join_all().await))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_factor_or_max() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("86400".parse(), Ok(Speed::Times(86_400.0)));
        for bad in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
