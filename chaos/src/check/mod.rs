//! The verdict, once everything is healed and at rest: what the clients were told, what the database holds
//! and what the payment gateway did must be the same story. A source that cannot be read is a violation.

mod books;
mod claims;
mod clicks;
mod ends;
mod histories;
mod late;
mod money;
mod store;
mod trouble;
mod verdicts;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::block_in_place;

use crate::crowd::Crowd;
use crate::run::Rigour;
use crate::stage::{Sight, Stage};

pub use trouble::Troubles;

/// How long after the end of its trouble everything has to have ended.
const REST: Duration = Duration::from_mins(1);
/// The same where slowness is not judged: what has not ended by then is stuck.
const PATIENT_REST: Duration = Duration::from_mins(3);

/// What a scenario did that leaves traces.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The message ids of the poison that was sent.
    pub poison: Vec<String>,
    /// Orders that were made impossible to handle, and end as rejected {internal}.
    pub broken: Vec<String>,
    /// Words of ERROR lines that are part of the story.
    pub errors: Vec<&'static str>,
    /// How long a fault lasts at most; what an order waits for beyond that is the installation's.
    pub longest_fault: Duration,
    /// When something was broken. Where nothing is noted, every order may have met the longest fault.
    pub troubles: Troubles,
    /// How wrong the clock of a worker may be.
    pub skew: Duration,
}

/// Waits for the end of everything and answers what is wrong.
pub async fn check(
    stage: &Stage<'_>,
    crowd: &mut Crowd,
    expected: &Expected,
    rigour: Rigour,
) -> Vec<String> {
    let mut violations = Vec::new();
    if let Err(error) = crowd.leave().await {
        violations.push(format!("the clients: {error:#}"));
    }
    let rest = match rigour {
        Rigour::Full => REST,
        Rigour::Safety => PATIENT_REST,
    };
    if let Err(error) = Sight::until_rest(&stage.db, rest).await {
        violations.push(format!("not everything has ended: {error:#}"));
    }
    violations.append(&mut crowd.testimony.told().violations);
    if let Err(error) = compare(stage, crowd, expected, rigour, &mut violations).await {
        violations.push(format!("the final state could not be read: {error:#}"));
    }
    violations
}

async fn compare(
    stage: &Stage<'_>,
    crowd: &mut Crowd,
    expected: &Expected,
    rigour: Rigour,
    violations: &mut Vec<String>,
) -> Result<()> {
    let rows = store::rows(&stage.db).await?;
    claims::check(crowd, &rows, violations).await?;
    claims::taken_back(&stage.db, crowd, violations).await?;
    histories::check(&stage.db, crowd, violations).await?;
    money::check(&stage.site.ledger(), &rows, violations)?;
    let letters = store::letters(&stage.db).await?;
    books::letters(&rows, &letters, expected, violations);
    verdicts::check(&stage.db, &rows, &letters, &crowd.shelves, expected, violations).await?;
    books::logs(&stage.site.errors_logged()?, expected, violations);
    let (outbox, negative) = store::leftovers(&stage.db).await?;
    if outbox + negative > 0 {
        violations.push(format!("{outbox} rows in the outbox, {negative} products below zero"));
    }
    if !store::refuses_less_than_nothing(&stage.db).await? {
        violations.push("the database lets the stock fall below zero".to_owned());
    }
    if rigour == Rigour::Full {
        late::check(&stage.db, expected, violations).await?;
    }
    let verdict = block_in_place(|| stage.site.verify())?;
    if !verdict.is_clean {
        violations.push(verdict.sentence());
    }
    Ok(())
}

/// Writes the database's rows and the servers' logs beside ours, so that what was found can be looked at later;
/// answers what of that failed.
pub async fn keep_evidence(stage: &Stage<'_>) -> Vec<anyhow::Error> {
    let folder = stage.site.folder();
    let dumped = dump(stage, &folder.join("database.jsonl")).await;
    let copied = stage.grounds.server_logs().into_iter().map(|log| copy(&log, folder));
    std::iter::once(dumped).chain(copied).filter_map(Result::err).collect()
}

async fn dump(stage: &Stage<'_>, file: &Path) -> Result<()> {
    let to = BufWriter::new(File::create(file)?);
    store::dump(&stage.db, to).await.with_context(|| format!("cannot write {}", file.display()))
}

fn copy(log: &Path, folder: &Path) -> Result<()> {
    let name = log.file_name().context("a log without a name")?;
    fs::copy(log, folder.join(name)).with_context(|| format!("cannot copy {}", log.display()))?;
    Ok(())
}
