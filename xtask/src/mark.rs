//! Finds processes that an earlier run left behind, and no others.
//!
//! Every child carries a mark in its environment, which its own children inherit. A process is
//! ours when the kernel says that it was started with exactly this mark: neither a reused pid nor
//! somebody else's server can be mistaken for one. Without /proc nothing is found.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// One variable of the environment, its value unlike any other run's.
#[derive(Debug, Clone)]
pub struct Mark {
    key: &'static str,
    value: String,
}

impl Mark {
    /// `value` must be unique to the run or the folder.
    pub fn new(key: &'static str, value: impl Into<String>) -> Self {
        Self { key, value: value.into() }
    }

    /// The child started by this command, and all its descendants, will carry the mark.
    pub fn put_on(&self, command: &mut Command) {
        command.env(self.key, &self.value);
    }

    /// The living processes that carry the mark, by pid.
    pub fn bearers(&self) -> Vec<i32> {
        let own = std::process::id().cast_signed();
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != own && self.is_on(*pid))
            .collect()
    }

    /// Ends all bearers: asks first, kills those that are still there after `grace`. Answers how
    /// many there were.
    pub fn end_bearers(&self, grace: Duration) -> usize {
        let found = self.bearers().len();
        self.signal(Signal::TERM);
        // A stopped process obeys once it goes on.
        self.signal(Signal::CONT);
        if !wait::quietly(grace, || self.bearers().is_empty()) {
            wait::quietly(grace, || {
                self.signal(Signal::KILL);
                self.bearers().is_empty()
            });
        }
        found
    }

    fn signal(&self, signal: Signal) {
        for pid in self.bearers() {
            if let Some(pid) = Pid::from_raw(pid) {
                // It may have ended since it was listed.
                let _ = kill_process(pid, signal);
            }
        }
    }

    // Another user's process and a zombie show no environment: neither is ours to end.
    fn is_on(&self, pid: i32) -> bool {
        let wanted = format!("{}={}", self.key, self.value);
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::secret;

    #[test]
    fn only_bearers_of_this_mark_are_found_and_ended() {
        let start = |mark: &Mark| {
            let mut command = Command::new("sleep");
            mark.put_on(&mut command);
            command.arg("600").stdin(Stdio::null()).spawn().unwrap()
        };
        let ours = Mark::new("ORDERMILL_MARK_TEST", secret::hex(8).unwrap());
        let other = Mark::new("ORDERMILL_MARK_TEST", secret::hex(8).unwrap());
        let mut left = start(&ours);
        let mut stranger = start(&other);
        wait::quietly(Duration::from_secs(5), || !ours.bearers().is_empty());

        assert_eq!(ours.bearers(), [left.id().cast_signed()]);
        assert_eq!(ours.end_bearers(Duration::from_secs(5)), 1);
        assert!(ours.bearers().is_empty());
        assert!(stranger.try_wait().unwrap().is_none(), "a stranger was ended");

        left.wait().unwrap();
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
