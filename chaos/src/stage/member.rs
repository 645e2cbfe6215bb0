//! One process of the installation: started, armed with a crash point, killed, frozen, drained.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ordermill_bench::installation::is_ready;
use ordermill_common::id::OwnerId;
use rustix::process::Signal;
use serde_json::Value;
use xtask::child::{self, Tied};
use xtask::{binaries, wait};

const READY: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(40);
/// The setting that makes a process abort at a crash point.
pub const CRASH_AT: &str = "ORDERMILL_CRASH_AT";
/// The setting that makes a process stop itself at a crash point.
pub const FREEZE_AT: &str = "ORDERMILL_FREEZE_AT";

/// Settings of a process, as environment variables.
pub type Settings = Vec<(&'static str, String)>;

/// Where a process says that it is ready.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// The listener.
    pub address: SocketAddr,
    /// The path that answers 200.
    pub path: &'static str,
}

/// A process by its place in the installation: what runs there may have been killed and started often.
#[derive(Debug)]
pub struct Member {
    name: String,
    program: &'static str,
    arguments: Vec<String>,
    settings: Settings,
    health: Health,
    log: PathBuf,
    /// Where the log of what runs begins.
    log_from: u64,
    running: Option<Tied>,
    /// Whether it was told to abort at a crash point.
    is_armed: bool,
    deaths: Vec<String>,
}

impl Member {
    /// A place that is still empty. `health` is where the process says that it is ready.
    pub fn new(
        name: String,
        program: &'static str,
        arguments: &[&str],
        settings: Settings,
        health: Health,
        folder: &Path,
    ) -> Self {
        Self {
            log: folder.join(format!("{name}.log")),
            name,
            program,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            settings,
            health,
            log_from: 0,
            running: None,
            is_armed: false,
            deaths: Vec::new(),
        }
    }

    /// The place's name, which its log bears.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it says that it is ready.
    pub fn address(&self) -> SocketAddr {
        self.health.address
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])?;
        self.wait()
    }

    /// Starts the process with further settings, without waiting for it. What runs there is killed.
    pub fn start_with(&mut self, more: &[(&str, String)]) -> Result<()> {
        self.kill();
        self.is_armed = more.iter().any(|(name, _)| *name == CRASH_AT);
        self.log_from = fs::metadata(&self.log).map_or(0, |log| log.len());
        let mut command = child::command(binaries::path(self.program)?);
        command.args(&self.arguments);
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command.envs(more.iter().map(|(name, value)| (*name, value)));
        self.running = Some(Tied::start(&self.name, command, &self.log)?);
        Ok(())
    }

    /// Waits until the process is ready; fails when it ends instead.
    pub fn wait(&mut self) -> Result<()> {
        let health = self.health;
        let running = self.running.as_mut().context("it was not started")?;
        let ready = wait::until(READY, || match running.ended()? {
            Some(status) => {
                bail!("{} ended ({status}):\n{}", running.name(), running.last_words())
            }
            None => Ok(is_ready(health.address, health.path).then_some(())),
        })?;
        let late = || format!("{} is not ready yet:\n{}", running.name(), running.last_words());
        ready.with_context(late)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.notice_death();
        self.running = None;
    }

    /// Deaths that nobody asked for.
    pub fn deaths(&mut self) -> &[String] {
        self.notice_death();
        &self.deaths
    }

    fn notice_death(&mut self) {
        let ended = self.running.as_mut().map(Tied::ended);
        if let Some(Ok(Some(status))) = ended
            && !(self.is_armed && self.is_crash(status))
        {
            self.deaths.push(format!("DIED: {} ended by itself: {status}", self.name));
            self.running = None;
        }
    }

    /// Whether it ended at a crash point, as it was told.
    fn is_crash(&self, status: ExitStatus) -> bool {
        let is_hit = |line: &str| line.starts_with("crash point ") && line.ends_with(" hit");
        status.signal() == Some(Signal::ABORT.as_raw()) && self.logged(is_hit).is_some()
    }

    /// Whether it has come to this crash point as often as it was told.
    pub fn has_hit(&self, point: &str) -> bool {
        self.logged(|line| line == format!("crash point {point} hit")).is_some()
    }

    /// The first line of this life's log that is like this.
    fn logged(&self, is_wanted: impl Fn(&str) -> bool) -> Option<String> {
        let mut log = File::open(&self.log).ok()?;
        log.seek(SeekFrom::Start(self.log_from)).ok()?;
        BufReader::new(log).lines().map_while(Result::ok).find(|line| is_wanted(line))
    }

    /// By what its leases are known, once a worker has said it.
    pub fn owner(&self) -> Option<OwnerId> {
        let line = self.logged(|line| line.contains("\"message\":\"working\""))?;
        let line: Value = serde_json::from_str(&line).ok()?;
        line["owner"].as_str()?.parse().ok()
    }

    /// SIGSTOP: it holds whatever it holds, and does nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Whether it was stopped, by us or by itself.
    pub fn is_frozen(&self) -> bool {
        let state = self.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // The state is the first letter after the program's name in parentheses.
        state.is_some_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
    }

    /// SIGCONT.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, and its end; fails when it had ended before, does not drain in time, or ends in another way than in
    /// order.
    pub fn drain(&mut self) -> Result<()> {
        let known = self.deaths.len();
        self.notice_death();
        if let Some(death) = self.deaths.get(known) {
            bail!("{death}");
        }
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.ask_to_stop();
        if !running.finish(GRACE) {
            bail!("{} did not end within {} s of its SIGTERM", self.name, GRACE.as_secs());
        }
        let status = running.ended()?.context("it has just ended")?;
        let is_told = self.is_armed && self.is_crash(status);
        if !(status.success() || is_told) {
            bail!("{} was told to drain and ended otherwise: {status}", self.name);
        }
        Ok(())
    }

    /// Whether it runs.
    pub fn is_alive(&mut self) -> bool {
        self.running.as_mut().is_some_and(|child| matches!(child.ended(), Ok(None)))
    }

    /// Its process id, while it was started.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Tied::pid)
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(running) = &mut self.running {
            running.signal(signal);
        }
    }
}
