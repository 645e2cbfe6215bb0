//! One of the product's programs as we run it: how to start it, where to ask for its readiness.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::child::{self, Tied};
use crate::mark::Mark;
use crate::wait;

const DEADLINE: Duration = Duration::from_mins(1);

/// A program that is started, killed and started again with the same settings.
#[derive(Debug)]
pub struct Program {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) environment: Vec<(String, OsString)>,
    pub(crate) admin_address: String,
    pub(crate) log: PathBuf,
    pub(crate) mark: Mark,
    pub(crate) child: Option<Tied>,
}

impl Program {
    /// What the operator calls it: `api`, `worker-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its health is asked for, `host:port`.
    pub fn admin_address(&self) -> &str {
        &self.admin_address
    }

    /// Its process, unless it was killed or never started.
    pub fn child(&mut self) -> Option<&mut Tied> {
        self.child.as_mut()
    }

    /// Starts it (killing it first if it runs) without waiting for it.
    pub fn start(&mut self) -> Result<()> {
        self.kill();
        let mut command = child::command(&self.path);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        self.mark.put_on(&mut command);
        self.child = Some(Tied::start(&self.name, command, &self.log)?);
        Ok(())
    }

    /// Returns once `/readyz` says yes; fails when the program ends before.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let Self { name, child, admin_address, .. } = self;
        let child = child.as_mut().with_context(|| format!("{name} is not running"))?;
        let url = format!("http://{admin_address}/readyz?verbose");
        let mut answer = String::new();
        let ready = wait::until(DEADLINE, || match child.ended()? {
            Some(status) => bail!("{name} ended ({status}):\n{}", child.last_words()),
            None => match ask(&url) {
                Ok(()) => Ok(Some(())),
                Err(not_yet) => {
                    answer = not_yet;
                    Ok(None)
                }
            },
        })?;
        ready.with_context(|| {
            let words = child.last_words();
            format!("{name} is not ready after {} s ({answer}):\n{words}", DEADLINE.as_secs())
        })
    }

    /// Runs the program once with other arguments (`migrate`, `seed`), `input` on its stdin.
    /// Answers what it printed; fails with that when it fails.
    pub fn run_once(&self, arguments: &[&str], input: &str) -> Result<String> {
        use std::io::Write;
        use std::process::Stdio;

        let mut command = Command::new(&self.path);
        self.mark.put_on(&mut command);
        let mut child = command
            .args(arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.path.display()))?;
        // It may end without reading what it does not need.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            let what = arguments.join(" ");
            bail!("{} {what} failed ({}):\n{printed}{complaint}", self.name, output.status);
        }
        Ok(printed)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child = None;
    }

    /// Asks it to drain and end.
    pub fn ask_to_stop(&mut self) {
        if let Some(child) = &mut self.child {
            child.ask_to_stop();
        }
    }

    /// Waits for its end, and kills it when that takes longer than `grace`. Answers whether it
    /// ended by itself.
    pub fn finish(&mut self, grace: Duration) -> bool {
        self.child.take().is_none_or(|mut child| child.finish(grace))
    }
}

fn ask(url: &str) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .http_status_as_error(false)
        .build();
    let mut answer =
        ureq::Agent::from(config).get(url).call().map_err(|error| error.to_string())?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(answer.body_mut().read_to_string().unwrap_or_else(|error| error.to_string()))
}
