//! A private RabbitMQ, with a port mapper (epmd), a cookie and a node name of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::state::State;
use crate::child::{self, Tied};
use crate::mark::Mark;
use crate::{find, secret, wait};

const DEADLINE: Duration = Duration::from_mins(2);
const AMQP_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";

#[derive(Debug)]
pub(crate) struct Broker {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    state: State,
    mark: Mark,
    epmd: Option<Tied>,
    child: Option<Tied>,
}

impl Broker {
    /// Writes the broker's configuration and starts it without waiting for it.
    pub(crate) fn start(program: &Path, folder: &Path, state: &State, mark: &Mark) -> Result<Self> {
        let mut broker = Self {
            program: program.to_owned(),
            folder: folder.join("broker"),
            log: folder.join("logs/broker.log"),
            state: state.clone(),
            mark: mark.clone(),
            epmd: None,
            child: None,
        };
        // The first start makes the user; one that was cut short may have made half of it.
        if !state.broker_is_made && broker.folder.exists() {
            fs::remove_dir_all(&broker.folder)?;
        }
        fs::create_dir_all(broker.folder.join("home"))?;
        secret::write(&broker.folder.join("home/.erlang.cookie"), &state.cookie)?;
        secret::write(&broker.folder.join("rabbitmq.conf"), &configuration(state))?;
        fs::write(broker.folder.join("enabled_plugins"), "[].\n")?;
        broker.run()?;
        Ok(broker)
    }

    /// Starts the programs on the files that are there.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.run_epmd()?;
        let command = self.command();
        self.child = Some(Tied::start("RabbitMQ", command, &self.log)?);
        Ok(())
    }

    /// Waits until it answers clients, which it does once its start is complete.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.state.broker_port));
        let child = self.child.as_mut().context("RabbitMQ is not running")?;
        let ready = wait::until(DEADLINE, || match child.ended()? {
            Some(status) => bail!("RabbitMQ ended ({status}):\n{}", child.last_words()),
            None => Ok(answers(address).then_some(())),
        })?;
        ready.with_context(|| format!("RabbitMQ is not ready yet:\n{}", child.last_words()))
    }

    pub(crate) fn child(&mut self) -> Option<&mut Tied> {
        self.child.as_mut()
    }

    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// Runs rabbitmqctl, the one that came with the server, and answers what it printed.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let program = fs::canonicalize(&self.program)?.with_file_name("rabbitmqctl");
        let mut command = self.environment(&program);
        command.args(arguments).stdin(Stdio::null());
        let output = command.output().context("cannot run rabbitmqctl")?;
        if !output.status.success() {
            let words = [output.stdout, output.stderr].concat();
            bail!("rabbitmqctl failed ({}):\n{}", output.status, String::from_utf8_lossy(&words));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) fn ask_to_stop(&mut self) {
        if let Some(child) = &mut self.child {
            child.ask_to_stop();
        }
    }

    pub(crate) fn stop(&mut self, grace: Duration) {
        self.ask_to_stop();
        if let Some(mut child) = self.child.take() {
            child.finish(grace);
        }
        self.epmd = None;
    }

    // RabbitMQ would start one that outlives it and us; it uses the one that it finds instead.
    fn run_epmd(&mut self) -> Result<()> {
        if let Some(epmd) = &mut self.epmd
            && epmd.ended()?.is_none()
        {
            return Ok(());
        }
        let Some(program) = find::program("epmd") else { return Ok(()) };
        let port = self.state.epmd_port;
        let mut command = child::command(program);
        command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        command.current_dir(&self.folder);
        self.mark.put_on(&mut command);
        let mut epmd = Tied::start("epmd", command, &self.log)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let ready = wait::until(DEADLINE, || match epmd.ended()? {
            Some(status) => bail!("epmd ended ({status}):\n{}", epmd.last_words()),
            None => Ok(TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()),
        })?;
        ready.with_context(|| format!("epmd does not listen on port {port}"))?;
        self.epmd = Some(epmd);
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = self.environment(&self.program);
        // Makes the script become the virtual machine, which then has the pid that we know.
        command.env("detached", "1");
        self.mark.put_on(&mut command);
        command
    }

    fn environment(&self, program: &Path) -> Command {
        let mut command = child::command(program);
        command
            .current_dir(&self.folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.folder.join("home"))
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.state.epmd_port.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", self.folder.join("rabbitmq.conf"))
            .env("RABBITMQ_DIST_PORT", self.state.distribution_port.to_string())
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.folder.join("enabled_plugins"))
            .env("RABBITMQ_LOG_BASE", self.folder.join("log"))
            .env("RABBITMQ_MNESIA_BASE", self.folder.join("mnesia"))
            .env("RABBITMQ_NODENAME", &self.state.node)
            .env("RABBITMQ_PID_FILE", self.folder.join("broker.pid"))
            // Two schedulers that sleep when idle: it shares the machine with all the rest.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none \
                 -kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }
}

// Absolute limits: the relative defaults silently block publishers on small machines.
fn configuration(state: &State) -> String {
    format!(
        "listeners.tcp.local = 127.0.0.1:{}\n\
         default_user = ordermill\n\
         default_pass = {}\n\
         vm_memory_high_watermark.absolute = 1GiB\n\
         disk_free_limit.absolute = 50MB\n\
         raft.wal_max_size_bytes = 67108864\n\
         log.file = false\n\
         log.console = true\n\
         log.console.level = warning\n\
         log.console.use_colors = off\n",
        state.broker_port, state.password
    )
}

// The first frame of a broker that takes clients is a method frame: Connection.Start.
fn answers(address: SocketAddr) -> bool {
    let mut start = [0; 1];
    TcpStream::connect_timeout(&address, Duration::from_secs(1))
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(AMQP_HEADER)?;
            stream.read_exact(&mut start)
        })
        .is_ok_and(|()| start[0] == 1)
}
