//! The first yardstick of speed: how many checkouts a second are accepted and paid.
//!
//! Carts are filled beforehand, since buyers fill theirs over minutes; what is measured is the checkout
//! and all that follows from it. Each buyer sends its next checkout when the last one is answered; the
//! clock of `paid/s` stops when no order is left that is not paid. Afterwards the stock must have shrunk
//! by exactly what was ordered, and `verify` must find nothing.

mod arena;
mod check;
mod fire;
mod run;
mod single;

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use tokio::task::block_in_place;

use self::arena::{Arena, Size};
use self::run::Run;
use crate::installation::{Admin, Grounds, Processes, Settings, Site};
use crate::table::Table;
use crate::target::{self, PrivateArgs, Target, TargetArgs};
use crate::verify::Verdict;

const CURRENCY: &str = "EUR";

/// How hard, how long, where.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Buyers that check out side by side, each on a connection of its own.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub buyers: u32,
    /// Seconds of checkouts (of each run); the filling of the carts in between is not counted.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Carts that are filled before each round of checkouts.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub carts: u32,
    /// Products that the orders are spread over.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub products: u32,
    /// Three runs each, in turn: the normal settings, and batches of one at 1, 4, 16 and 32 lanes.
    #[arg(long, conflicts_with = "api")]
    pub against_single: bool,
    /// A running installation to use.
    #[command(flatten)]
    pub target: TargetArgs,
    /// A private installation, without --api.
    #[command(flatten)]
    pub private: PrivateArgs,
}

impl LoadArgs {
    fn size(&self) -> Size {
        Size { carts: self.carts as usize, products: self.products as usize }
    }
}

/// Runs, prints, and answers whether everything was exact.
pub async fn run(args: LoadArgs) -> Result<bool> {
    if args.against_single {
        return single::run(args).await;
    }
    if args.target.api.is_some() {
        let target = args.target.running().await?;
        let mut arena = Arena::open(&target, args.size()).await?;
        let run = run::run(&mut arena, args.buyers, args.seconds).await?;
        let wrong = check::check(&arena).await?;
        let verdict = args.target.verify(args.private.commands.database_url.as_deref())?;
        return Ok(tell(&run, &wrong, verdict.as_ref()));
    }
    let private = args.private.clone();
    let work = async |grounds: Grounds| {
        let settings = Settings { currency: CURRENCY.into(), workers: 2, more: Vec::new() };
        let work = async |_grounds, site: Arc<Site>| privately(&site, &args).await;
        target::on_site(grounds, settings, work).await
    };
    target::on_private_grounds(private, |is_exact| *is_exact, work).await
}

/// In an installation of its own.
async fn privately(site: &Site, args: &LoadArgs) -> Result<bool> {
    let processes = block_in_place(|| Processes::start(site))?;
    let mut arena = Arena::open(&private(site), args.size()).await?;
    let run = run::run(&mut arena, args.buyers, args.seconds).await?;
    let wrong = check::check(&arena).await?;
    let verdict = block_in_place(|| {
        let verdict = site.verify()?;
        processes.stop()?;
        anyhow::Ok(verdict)
    })?;
    Ok(tell(&run, &wrong, Some(&verdict)))
}

/// A private site as a target.
fn private(site: &Site) -> Target {
    Target { address: site.address(), admin: Admin::clone(site.admin()), currency: CURRENCY.into() }
}

fn tell(run: &Run, wrong: &[String], verdict: Option<&Verdict>) -> bool {
    let mut table = Table::default();
    table.head("load");
    run.show(&mut table);
    print!("{table}");
    match verdict {
        Some(verdict) => println!("{}", verdict.sentence()),
        None => println!("not verified: run `ordermill-worker verify` there, or set DATABASE_URL"),
    }
    for wrong in wrong {
        println!("WRONG: {wrong}");
    }
    if wrong.is_empty() {
        println!("exact: every accepted order is paid, the stock shrank by what was ordered");
    }
    wrong.is_empty() && verdict.is_none_or(|verdict| verdict.is_clean)
}
