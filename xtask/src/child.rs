//! Children that never outlive us: servers, the API, workers.
//!
//! Each is in a process group of its own, so that Ctrl-C reaches us alone and we stop them in
//! order; and the kernel sends each SIGTERM when we die without a chance to do so. That promise is
//! bound to the spawning *thread*, hence all spawning is done by one thread that never ends.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{find, wait};

/// A running child with its name and its log. Dropping it kills it.
#[derive(Debug)]
pub struct Tied {
    name: String,
    log: PathBuf,
    child: Child,
}

/// A command whose child will be tied to this process; add arguments and environment, then give
/// it to [`Tied::start`].
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = match find::program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM", "--"]).arg(program);
            command
        }
        // Not Linux: what a killed run leaves behind is ended by the next one.
        None => Command::new(program),
    };
    command.process_group(0).stdin(Stdio::null());
    command
}

impl Tied {
    /// Starts the child; what it prints is appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        command.stdout(file.try_clone()?).stderr(file);
        let child = spawn(command).with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), child })
    }

    /// The name it was started with.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pid of the program itself (nothing stands between it and us).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The path of its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal; nothing happens when the child has ended already.
    pub fn signal(&mut self, signal: Signal) {
        if let (Ok(None), Some(pid)) = (self.ended(), Pid::from_raw(self.pid().cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (one that is stopped goes on, so that it can).
    pub fn ask_to_stop(&mut self) {
        self.signal(Signal::TERM);
        self.signal(Signal::CONT);
    }

    /// Waits for its end after [`ask_to_stop`](Self::ask_to_stop), kills it when that takes longer than `grace`. Answers
    /// whether it ended by itself.
    pub fn finish(&mut self, grace: Duration) -> bool {
        let ended = wait::quietly(grace, || !matches!(self.ended(), Ok(None)));
        self.kill();
        ended
    }

    /// The last lines of its log, indented, for a message.
    pub fn last_words(&self) -> String {
        last_lines(&self.log, 20)
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ends a child that leads a process group, and the group: asks first, then kills.
pub fn end_group(leader: &mut Child) {
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(group) = Pid::from_raw(leader.id().cast_signed()) {
            let _ = kill_process_group(group, signal);
        }
        if wait::quietly(Duration::from_secs(10), || !matches!(leader.try_wait(), Ok(None))) {
            return;
        }
    }
}

/// The last `count` lines of a file, indented, for a message; says so when there are none.
pub fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let lines: Vec<String> = match &text {
        Ok(text) => text.lines().map(|line| format!("  | {line}")).collect(),
        Err(_) => Vec::new(),
    };
    if lines.is_empty() {
        return format!("  ({} is empty)", path.display());
    }
    lines[lines.len().saturating_sub(count)..].join("\n")
}

type Order = (Command, Sender<io::Result<Child>>);

/// Starts a [`command`] on the thread that never ends.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    spawner.send((command, answer)).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}
