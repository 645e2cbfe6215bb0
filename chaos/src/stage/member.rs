//! One process of the installation: started, armed with a crash point, killed, frozen, drained.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ordermill_bench::installation::is_ready;
use rustix::process::Signal;
use xtask::child::{self, Tied};
use xtask::{binaries, wait};

const READY: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(40);

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
    running: Option<Tied>,
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
            running: None,
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
        self.running = None;
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
        self.running = None;
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

    /// SIGTERM, and its end; fails when it does not drain in time.
    pub fn drain(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.ask_to_stop();
        if !running.finish(GRACE) {
            bail!("{} did not end within {} s of its SIGTERM", self.name, GRACE.as_secs());
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
