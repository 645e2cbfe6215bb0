//! A few trials of the faults that need no crash point, on servers of their own, which they kill. All of the
//! scenarios, and many trials: `cargo xtask chaos`.

use std::fs;
use std::process::Command;

use ordermill_bench::installation::{Commands, Grounds};
use ordermill_chaos::report::Report;
use ordermill_chaos::run::{self, Rigour};
use ordermill_chaos::scenario;
use tokio::task::block_in_place;

const SEED: u64 = 20_261_125;
const PLAYED: [(&str, u32); 8] = [
    ("worker-kill", 4),
    ("database-kill", 1),
    ("broker-kill", 1),
    ("gateway-kill", 1),
    ("lost-commit", 4),
    ("link-truncated", 3),
    ("poison", 2),
    ("queue-broken", 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_few_of_each_fault_lose_double_and_stop_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = || Grounds::start(folder.path(), Commands::default());
    let mut grounds = block_in_place(start).expect("private servers");
    let mut report = Report { seed: SEED, outcomes: Vec::new() };
    for (name, trials) in PLAYED {
        let all = scenario::all();
        let scenario = all.iter().find(|one| one.name == name).expect("a scenario of that name");
        let played = run::run(&mut grounds, scenario, 1..1 + trials, SEED, Rigour::Safety).await;
        report.outcomes.push(played.unwrap_or_else(|error| panic!("{name}: {error:#}")));
    }
    drop(grounds);
    keep_evidence(&report);
    assert!(report.is_clean(), "{report}");
}

/// Copies what would be gone with the folder to one that outlives the test.
fn keep_evidence(report: &Report) {
    for outcome in &report.outcomes {
        let Some(evidence) = &outcome.evidence else { continue };
        let kept = format!("{}/{}", env!("CARGO_TARGET_TMPDIR"), outcome.name);
        // Of an earlier run, if anything.
        let _ = fs::remove_dir_all(&kept);
        let mut copying = Command::new("cp");
        let copied = copying.arg("-r").arg(evidence).arg(&kept).status().expect("cp runs");
        println!("evidence: {kept} (copied: {})", copied.success());
    }
}
