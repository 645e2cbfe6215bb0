//! Whether the suite sees what it looks for: nine planted bugs, each a patch that is applied to a scratch
//! copy of the repository. The scenario must find it there, and must find nothing in the code as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};
use ordermill_bench::live;
use ordermill_common::crash::POINTS;
use xtask::binaries;

/// A bug that is planted.
struct Mutant {
    /// Its patch, without the ending.
    name: &'static str,
    scenario: &'static str,
    trials: Trials,
    /// What the violation says, of which one is enough.
    caught_by: &'static [&'static str],
}

/// Which trials of the scenario.
enum Trials {
    /// So many, from the first on.
    First(u32),
    /// The first one at this crash point.
    At(&'static str),
}

impl Trials {
    /// The first and how many.
    fn range(&self) -> Result<(u32, u32)> {
        match self {
            Self::First(count) => Ok((1, *count)),
            Self::At(point) => {
                let place = POINTS.iter().position(|(name, _)| name == point);
                let place = place.with_context(|| format!("{point} is no crash point"))?;
                Ok((u32::try_from(place)? + 1, 1))
            }
        }
    }
}

static MUTANTS: [Mutant; 9] = [
    // The message is gone, and the order waits to wake by itself.
    at_point("ack-before-commit", "reserve.before_commit", &["orders waited"]),
    mutant("publish-without-confirm", "broker-kill", 15, &["orders waited"]),
    mutant("dedup-by-upsert", "worker-kill", 3, &["was accepted as", "was answered"]),
    mutant("stock-read-then-write", "worker-kill", 3, &["STOCK of"]),
    mutant("release-without-guard", "worker-kill", 3, &["STOCK of"]),
    at_point(
        "outbox-in-its-own-transaction",
        "accept.before_commit",
        &["dead letter nobody explains"],
    ),
    at_point("no-takeover", "accept.after_commit", &["not everything has ended", "orders waited"]),
    mutant("gateway-key-per-attempt", "worker-kill", 1, &["is nobody's", "its payment"]),
    mutant("reconnect-forgets-prefetch", "broker-kill", 1, &["PREFETCH"]),
];

const fn mutant(
    name: &'static str,
    scenario: &'static str,
    trials: u32,
    caught_by: &'static [&'static str],
) -> Mutant {
    Mutant { name, scenario, trials: Trials::First(trials), caught_by }
}

const fn at_point(
    name: &'static str,
    point: &'static str,
    caught_by: &'static [&'static str],
) -> Mutant {
    Mutant { name, scenario: "crash-points", trials: Trials::At(point), caught_by }
}

/// Plants each bug whose name begins like one of these (all when there are none), and prints what caught
/// it; `false` when one was not caught, or the code as it is was. A name that is no bug's is an error.
pub fn run(names: &[String], seed: u64) -> Result<bool> {
    let meant = meant(names)?;
    let scratch = Scratch::prepare()?;
    let mut lines = Vec::new();
    let mut all_caught = true;
    for mutant in meant {
        live::note(&format!("planting {}", mutant.name));
        let verdict = match try_one(&scratch, mutant, seed) {
            Ok(caught_by) => format!("caught: {caught_by}"),
            Err(error) => {
                all_caught = false;
                format!("NOT CAUGHT: {error:#}")
            }
        };
        live::note(&verdict);
        lines.push(format!("{:32} {:14} {verdict}", mutant.name, mutant.scenario));
    }
    println!("{}", lines.join("\n"));
    Ok(all_caught)
}

/// Those whose names begin like one of these, all when there are none.
fn meant(names: &[String]) -> Result<Vec<&'static Mutant>> {
    let is_meant = |mutant: &Mutant, name: &String| mutant.name.starts_with(name.as_str());
    for name in names {
        let is_known = MUTANTS.iter().any(|mutant| is_meant(mutant, name));
        ensure!(is_known, "no planted bug is called {name}");
    }
    let is_one =
        |mutant: &&Mutant| names.is_empty() || names.iter().any(|name| is_meant(mutant, name));
    Ok(MUTANTS.iter().filter(is_one).collect())
}

/// Answers the violation that gave the bug away.
fn try_one(scratch: &Scratch, mutant: &Mutant, seed: u64) -> Result<String> {
    let as_it_is = play(&std::env::current_exe()?, mutant, seed)?;
    ensure!(as_it_is.status.success(), "without the patch:\n{}", words(&as_it_is));
    scratch.plant(mutant.name)?;
    let output = play(&scratch.build()?, mutant, seed)?;
    let words = words(&output);
    ensure!(!output.status.success(), "nothing was found");
    let violations = words.lines().filter(|line| line.contains("VIOLATION"));
    let mut telling =
        violations.filter(|line| mutant.caught_by.iter().any(|caught_by| line.contains(caught_by)));
    match telling.next() {
        Some(line) => Ok(line.trim().chars().take(150).collect()),
        None => bail!("something else was found:\n{words}"),
    }
}

fn play(program: &Path, mutant: &Mutant, seed: u64) -> Result<Output> {
    let (from, trials) = mutant.trials.range()?;
    Command::new(program)
        .args(["--scenario", mutant.scenario, "--seed", &seed.to_string()])
        .args(["--from", &from.to_string(), "--trials", &trials.to_string()])
        .output()
        .with_context(|| format!("cannot run {}", program.display()))
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A copy of the committed state, with a target folder of its own.
struct Scratch {
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    fn prepare() -> Result<Self> {
        let status = Command::new("git")
            .current_dir(binaries::root())
            .args(["status", "--porcelain"])
            .output()?;
        // Otherwise what is played without the patch is not what it is planted in.
        ensure!(status.stdout.is_empty(), "commit first: not all is committed\n{}", words(&status));
        let home = binaries::target()?.join("mutants");
        let (tree, target) = (home.join("tree"), home.join("target"));
        fs::create_dir_all(&home)?;
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        git(binaries::root(), &["clone", "--quiet", ".", &tree.display().to_string()])?;
        Ok(Self { tree, target })
    }

    /// The patch on top of the code as it is; one that does not apply is an error.
    fn plant(&self, name: &str) -> Result<()> {
        git(&self.tree, &["checkout", "--quiet", "."])?;
        let patch = binaries::root().join(format!("chaos/mutants/{name}.patch"));
        let applied = git(&self.tree, &["apply", &patch.display().to_string()]);
        applied.with_context(|| format!("{name} no longer applies"))
    }

    fn build(&self) -> Result<PathBuf> {
        let mut command = binaries::cargo();
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target).args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            "chaos",
            "-p",
            "ordermill-api",
            "-p",
            "ordermill-worker",
            "-p",
            "ordermill-chaos",
            "--features",
            "ordermill-api/crash-points,ordermill-worker/crash-points",
        ]);
        ensure!(binaries::follow(command)?.success(), "it does not compile");
        Ok(self.target.join("chaos/ordermill-chaos"))
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new("git").current_dir(folder).args(arguments).output()?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), words(&output).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_planted_bug_has_a_patch_that_applies_and_every_patch_is_planted() {
        let folder = binaries::root().join("chaos/mutants");
        let patches: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let named = MUTANTS.iter().map(|mutant| format!("{}.patch", mutant.name)).collect();
        assert_eq!(patches, named);
        for patch in patches {
            let text = binaries::root().join("chaos/mutants").join(&patch);
            assert_applies(&fs::read_to_string(text).unwrap(), &patch);
        }
    }

    /// What each hunk expects stands in its file. (Without git, which a machine need not have.)
    fn assert_applies(patch: &str, name: &str) {
        for file in patch.split("\ndiff --git ") {
            let named = file.split("\n--- a/").nth(1).and_then(|rest| rest.lines().next());
            let source = named.expect("a patch names its files");
            let code = fs::read_to_string(binaries::root().join(source)).unwrap();
            for hunk in file.split("\n@@ ").skip(1) {
                let expected: Vec<&str> = hunk
                    .lines()
                    .skip(1)
                    .filter(|line| !line.starts_with('+'))
                    .map(|line| line.get(1..).unwrap_or_default())
                    .collect();
                assert!(
                    code.contains(&expected.join("\n")),
                    "{name} no longer applies to {source}"
                );
            }
        }
    }

    #[test]
    fn every_planted_bug_names_a_scenario_and_trials_that_it_has() {
        let scenarios = crate::scenario::all();
        for mutant in &MUTANTS {
            let scenario = scenarios.iter().find(|one| one.name == mutant.scenario).unwrap();
            let (first, count) = mutant.trials.range().unwrap();
            assert!(first + count - 1 <= scenario.trials, "{}", mutant.name);
        }
    }

    #[test]
    fn a_name_that_is_no_planted_bugs_is_an_error() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Some(meant(&names).ok()?.len())
        };
        assert_eq!(named(&[]), Some(MUTANTS.len()));
        assert_eq!(named(&["no-takeover"]), Some(1));
        assert_eq!(named(&["no-takeover", "no-such"]), None);
    }
}
