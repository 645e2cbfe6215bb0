//! Crash points: named places where a process can be told to die, so that a test of faults kills it exactly
//! between two steps and not somewhere near.
//!
//! They exist only with the feature `crash-points`, which no delivered binary has. Without it [`crash_point!`]
//! expands to nothing, in every profile, and the crate `fail` is not even compiled; it does the same on its
//! own account (fail 0.5.1, src/lib.rs: `#[cfg(not(feature = "failpoints"))] macro_rules! fail_point {
//! ($name:expr) => {{}}; .. }`). So nothing of them, no name and no branch, is left in the binary.
//!
//! With it, `ORDERMILL_CRASH_AT=reserve.after_commit:3` makes the process abort when it comes to this place for
//! the third time; several are separated by commas. It dies as by SIGKILL: nothing is flushed, closed or
//! handed back. The names are stable. `ORDERMILL_FREEZE_AT` stops it there instead, as by SIGSTOP, until
//! somebody sends SIGCONT, `ORDERMILL_PANIC_AT` makes that one task panic (with `*` for a number each that
//! comes to this place); and
//! `ORDERMILL_CLOCK_SKEW_SECONDS=3600@2` makes its clock jump by an hour after two seconds. Its health listener
//! also answers `/memory` then: the bytes that the process has in use.
//!
//! [`crash_point!`]: crate::crash_point

/// Every point, and where the process stands when it dies there.
pub const POINTS: &[(&str, &str)] = &[
    ("accept.before_commit", "checkouts are written and not committed"),
    (
        "accept.after_commit",
        "checkouts are committed; their buyers have no answer, the relay no hint",
    ),
    ("cart.before_commit", "changes of carts are written and not committed"),
    ("cart.after_commit", "changes of carts are committed and not answered"),
    ("ask.before_commit", "a wish to cancel and its message are written and not committed"),
    ("ask.after_commit", "a wish to cancel is committed; the relay has no hint"),
    ("move.before_commit", "an admin's move is written and not committed"),
    ("move.after_commit", "an admin's move is committed and not answered"),
    ("redrive.before_commit", "a dead letter is sent again and closed, and not committed"),
    ("redrive.after_commit", "a redriven dead letter is committed; the relay has no hint"),
    ("relay.before_publish", "rows are about to be sent"),
    ("relay.after_publish", "messages are in the broker's socket, none is confirmed"),
    ("relay.after_confirm", "messages are confirmed, their rows are still there"),
    ("relay.after_delete", "rows of confirmed messages are removed"),
    ("relay.after_claim", "another process's expired rows are leased and not sent"),
    ("reserve.before_commit", "orders and their stock are written and not committed"),
    ("reserve.after_commit", "orders are reserved, their payments leased and not asked for"),
    ("charge.before_call", "the gateway is about to be asked for a charge"),
    ("charge.after_call", "a charge is answered, and nobody has written it down"),
    ("settle.before_commit", "outcomes of calls are written and not committed"),
    ("settle.after_commit", "outcomes of calls are committed, their messages not acked"),
    ("cancel.before_commit", "wishes to cancel are decided and not committed"),
    ("cancel.after_commit", "wishes to cancel are decided; a void that follows is not made"),
    ("void.before_call", "the gateway is about to be asked for a void"),
    ("void.after_call", "a void is answered, and nobody has written it down"),
    ("sweep.before_commit", "what is due has new messages, not committed"),
    ("sweep.after_commit", "what is due has new messages; the relay has no hint"),
    ("ack.before", "a delivery is done with, and the broker does not know"),
    ("ack.after", "the ack of a delivery is in the broker's socket"),
    ("dead.before_write", "a dead message is read, and nothing done about it"),
    ("dead.after_write", "a dead message is parked or its order woken, and it is not acked"),
    (
        "unit.before_commit",
        "a transaction of its own, of whatever kind, is written and not committed",
    ),
    ("unit.after_commit", "such a transaction is committed, and its caller does not know"),
];

/// The process dies here when it was told to: a point's name, or a unit's name and what it is at. Expands
/// to nothing without the feature `crash-points`.
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        $crate::crash::hit($name)
    };
    ($unit:expr, $moment:literal) => {
        $crate::crash::hit(&format!("{}.{}", $unit, $moment))
    };
}

/// The process dies here when it was told to: a point's name, or a unit's name and what it is at. Expands
/// to nothing without the feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($($name:expr),+) => {};
}

#[cfg(feature = "crash-points")]
pub use armed::{BadCrashPoint, arm, hit, skew};

#[cfg(feature = "crash-points")]
mod armed {
    use std::collections::BTreeMap;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use super::POINTS;

    const CRASH: &str = "ORDERMILL_CRASH_AT";
    const FREEZE: &str = "ORDERMILL_FREEZE_AT";
    const PANIC: &str = "ORDERMILL_PANIC_AT";
    const SKEW: &str = "ORDERMILL_CLOCK_SKEW_SECONDS";

    /// What a variable says cannot be meant.
    #[derive(Debug, thiserror::Error)]
    #[error("{variable}: {why}")]
    pub struct BadCrashPoint {
        variable: &'static str,
        why: Why,
    }

    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    enum Why {
        /// Neither a name nor a count can be read.
        #[error(
            "'{0}' is not of the form <point>:<nth>, with an nth of 1 or more, or * for each time"
        )]
        Form(String),
        /// No place has this name.
        #[error("there is no crash point '{0}'; there are: {known}", known = known())]
        Unknown(String),
        /// A process dies once.
        #[error("the crash point '{0}' is named twice")]
        Twice(String),
    }

    fn known() -> String {
        POINTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Reads the variables and arms their points. Called first in a binary; without a variable nothing is
    /// armed.
    pub fn arm() -> Result<(), BadCrashPoint> {
        // The time to its jump counts from here.
        skew();
        at(CRASH, || std::process::abort())?;
        at(PANIC, || panic!("told to panic"))?;
        at(FREEZE, || {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::STOP)
                .expect("a process may stop itself");
        })
    }

    /// By how much the clock of this process is wrong by now; it is right until it jumps.
    pub fn skew() -> chrono::TimeDelta {
        static JUMP: OnceLock<(i64, Instant)> = OnceLock::new();
        let (seconds, at) = JUMP.get_or_init(|| {
            let told = told(SKEW);
            let (seconds, after) = told.split_once('@').unwrap_or((&told, ""));
            let after = Duration::from_secs(after.parse().unwrap_or(0));
            (seconds.parse().unwrap_or(0), Instant::now() + after)
        });
        chrono::TimeDelta::seconds(if Instant::now() < *at { 0 } else { *seconds })
    }

    fn told(variable: &str) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test's word to a process, no setting of it"
        )]
        std::env::var(variable).unwrap_or_default()
    }

    fn at(variable: &'static str, act: fn()) -> Result<(), BadCrashPoint> {
        let armed = parse(&told(variable)).map_err(|why| BadCrashPoint { variable, why })?;
        for (name, nth) in armed {
            let hits = AtomicU64::new(0);
            let acting = move || {
                let hit = hits.fetch_add(1, Ordering::Relaxed) + 1;
                if nth.is_none_or(|nth| nth == hit) {
                    eprintln!("crash point {name} hit");
                    act();
                }
            };
            fail::cfg_callback(name, acting).expect("a callback is always taken");
        }
        Ok(())
    }

    /// What [`crash_point!`](crate::crash_point) comes to.
    pub fn hit(name: &str) {
        fail::fail_point!(name);
    }

    /// The points, and which of their hits counts; each of them, if none is named.
    fn parse(text: &str) -> Result<BTreeMap<&'static str, Option<u64>>, Why> {
        let mut armed = BTreeMap::new();
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            let form = || Why::Form(one.to_owned());
            let (name, nth) = one.split_once(':').ok_or_else(form)?;
            let nth = match nth {
                "*" => None,
                nth => Some(nth.parse::<u64>().ok().filter(|nth| *nth > 0).ok_or_else(form)?),
            };
            let point = POINTS.iter().find(|(point, _)| *point == name);
            let (name, _) = point.ok_or_else(|| Why::Unknown(name.to_owned()))?;
            if armed.insert(*name, nth).is_some() {
                return Err(Why::Twice((*name).to_owned()));
            }
        }
        Ok(armed)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_told_is_armed_and_what_cannot_be_meant_is_refused() {
            assert_eq!(parse(""), Ok(BTreeMap::new()));
            let two = [("ack.after", Some(12)), ("reserve.after_commit", Some(1))];
            assert_eq!(parse("reserve.after_commit:1, ack.after:12"), Ok(two.into()));
            assert_eq!(parse("void.before_call:*"), Ok([("void.before_call", None)].into()));
            let unknown = Why::Unknown("reserve".to_owned());
            assert!(unknown.to_string().contains("reserve.before_commit"));
            assert_eq!(parse("reserve:1"), Err(unknown));
            assert_eq!(parse("ack.after:1,ack.after:2"), Err(Why::Twice("ack.after".into())));
            for bad in
                ["ack.after", "ack.after:", "ack.after:0", "ack.after:-1", "ack.after:x", "*"]
            {
                assert_eq!(parse(bad), Err(Why::Form(bad.to_owned())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::POINTS;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }

    fn literals<'a>(code: &'a str, before: &str) -> Vec<&'a str> {
        code.split(before).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[test]
    fn every_point_is_in_the_source_once_and_none_is_missing_from_the_list() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut files = Vec::new();
        for member in ["api/src", "common/src", "worker/src"] {
            sources(&root.join(member), &mut files);
        }
        let own = root.join("common/src/crash.rs");
        let is_test =
            |file: &Path| file.ends_with("tests.rs") || file.iter().any(|folder| folder == "tests");
        files.retain(|file| *file != own && !is_test(file));
        let read = |file: &PathBuf| {
            let text = std::fs::read_to_string(file).unwrap();
            text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
        };
        let code: Vec<String> = files.iter().map(read).collect();
        let all = |before: &str| -> Vec<&str> {
            code.iter().flat_map(|code| literals(code, before)).collect()
        };

        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        for name in all("crash_point!(\"") {
            *found.entry(name.to_owned()).or_default() += 1;
        }
        // The lane has the points of every unit.
        for moment in all("crash_point!(U::NAME, \"") {
            for unit in all("const NAME: &'static str = \"") {
                *found.entry(format!("{unit}.{moment}")).or_default() += 1;
            }
        }
        let listed: BTreeMap<_, _> =
            POINTS.iter().map(|(name, _)| ((*name).to_owned(), 1)).collect();
        assert_eq!(listed.len(), POINTS.len(), "a point is listed twice");
        assert_eq!(found, listed);
        let marks = code.iter().map(|code| code.matches("crash_point!(").count());
        let named = all("crash_point!(\"").len() + all("crash_point!(U::NAME, \"").len();
        assert_eq!(marks.sum::<usize>(), named, "a point without a name of its own");
    }
}
