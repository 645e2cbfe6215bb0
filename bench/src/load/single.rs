//! What batches are worth: the normal settings against batches of one, at their best number of lanes, in
//! turn on the same servers, each on a database of its own.

use anyhow::{Context, Result};
use tokio::task::block_in_place;

use super::arena::{Arena, Size};
use super::run::{self, Run};
use super::{CURRENCY, LoadArgs, check, private};
use crate::installation::{Grounds, Processes, Settings, Site};
use crate::table::Table;
use crate::{live, target};

const RUNS: usize = 3;
const LANES: [u16; 4] = [1, 4, 16, 32];

/// A configuration with its database and its runs so far.
struct Contender {
    name: String,
    site: Site,
    arena: Option<Arena>,
    runs: Vec<Run>,
}

/// Runs all, prints medians and the ratio, and answers whether everything was exact.
pub(super) async fn run(args: LoadArgs) -> Result<bool> {
    let private = args.private.clone();
    let work = async |grounds: Grounds| {
        let mut contenders = Vec::new();
        let outcome = compete(&grounds, &mut contenders, &args).await;
        for contender in &contenders {
            contender.site.clear().await?;
        }
        outcome
    };
    target::on_private_grounds(private, |is_exact| *is_exact, work).await
}

async fn compete(
    grounds: &Grounds,
    contenders: &mut Vec<Contender>,
    args: &LoadArgs,
) -> Result<bool> {
    contenders.push(Contender::new(grounds, "normal".into(), Vec::new()).await?);
    for lanes in LANES {
        let more =
            vec![("ORDERMILL_BATCH", "1".to_owned()), ("ORDERMILL_LANES", lanes.to_string())];
        let name = format!("batches of one, lanes: {lanes}");
        contenders.push(Contender::new(grounds, name, more).await?);
    }
    for turn in 1..=RUNS {
        for contender in &mut *contenders {
            live::note(&format!("run {turn} of {RUNS}: {}", contender.name));
            contender.take_turn(args.size(), args.buyers, args.seconds).await?;
        }
    }
    let mut is_exact = true;
    for contender in &*contenders {
        is_exact &= contender.is_exact().await?;
    }
    print!("{}", table(contenders)?);
    Ok(is_exact)
}

impl Contender {
    async fn new(
        grounds: &Grounds,
        name: String,
        more: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let settings = Settings { currency: CURRENCY.into(), workers: 2, more };
        let site = Site::prepare(grounds, settings).await?;
        Ok(Self { name, site, arena: None, runs: Vec::new() })
    }

    async fn take_turn(&mut self, size: Size, buyers: u32, seconds: u64) -> Result<()> {
        let processes = block_in_place(|| Processes::start(&self.site))?;
        let arena = match &mut self.arena {
            Some(arena) => arena,
            none => none.insert(Arena::open(&private(&self.site), size).await?),
        };
        let run = run::run(arena, buyers, seconds).await?;
        let (accepted, paid) = (run.accepted_rate(), run.paid_rate());
        live::note(&format!("  {accepted:.0} accepted/s, {paid:.0} paid/s"));
        self.runs.push(run);
        block_in_place(|| processes.stop())
    }

    async fn is_exact(&self) -> Result<bool> {
        let arena = self.arena.as_ref().context("it has had no turn")?;
        let processes = block_in_place(|| Processes::start(&self.site))?;
        let wrong = check::check(arena).await?;
        let verdict = block_in_place(|| {
            processes.stop()?;
            self.site.verify()
        })?;
        for wrong in &wrong {
            println!("WRONG with {}: {wrong}", self.name);
        }
        if !verdict.is_clean {
            println!("{}: {}", self.name, verdict.sentence());
        }
        Ok(wrong.is_empty() && verdict.is_clean)
    }

    fn median(&self, of: fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }
}

fn table(contenders: &[Contender]) -> Result<Table> {
    let mut table = Table::default();
    for contender in contenders {
        table.head(&contender.name);
        let rates: Vec<String> =
            contender.runs.iter().map(|run| format!("{:.0}", run.paid_rate())).collect();
        table.row("paid/s of each run", rates.join(", "));
        table.row("median paid/s", format!("{:.0}", contender.median(Run::paid_rate)));
        table.row("median accepted/s", format!("{:.0}", contender.median(Run::accepted_rate)));
    }
    let (normal, singles) = contenders.split_first().context("nobody ran")?;
    let best = singles
        .iter()
        .max_by(|a, b| a.median(Run::paid_rate).total_cmp(&b.median(Run::paid_rate)))
        .context("nobody ran against it")?;
    table.head("ratio");
    table.row("best of the others", &best.name);
    let ratio = normal.median(Run::paid_rate) / best.median(Run::paid_rate);
    table.row("normal against it, paid/s", format!("{ratio:.1}"));
    Ok(table)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_one() {
        assert!((median(vec![3.0, 100.0, 1.0]) - 3.0).abs() < f64::EPSILON);
    }
}
