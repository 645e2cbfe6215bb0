//! The two servers: private ones in a temporary folder, or given ones that somebody else runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use xtask::progress::Progress;
use xtask::servers::Servers;

/// Servers that somebody else runs, and how they are killed.
#[derive(Debug, Clone, Default, Args)]
pub struct Commands {
    /// The database server for the private installation, with the broker's; without both, private ones.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// The broker for the private installation.
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: Option<String>,
    /// With given servers: the command that kills the database.
    #[arg(long, value_name = "COMMAND")]
    pub kill_database_with: Option<String>,
    /// With given servers: the command that kills the broker.
    #[arg(long, value_name = "COMMAND")]
    pub kill_broker_with: Option<String>,
    /// With given servers: the command that hands its arguments to the broker's own tool, rabbitmqctl.
    #[arg(long, value_name = "COMMAND")]
    pub ask_broker_with: Option<String>,
    /// With given servers: the command that starts what was killed, and returns when it runs.
    #[arg(long, value_name = "COMMAND")]
    pub restart_with: Option<String>,
}

impl Commands {
    /// Whether the servers can be killed and started again.
    pub fn can_kill(&self) -> bool {
        let given = [&self.kill_database_with, &self.kill_broker_with, &self.restart_with];
        !self.are_given() || given.iter().all(|command| command.is_some())
    }

    fn are_given(&self) -> bool {
        self.database_url.is_some() && self.amqp_url.is_some()
    }
}

/// A running database and broker, and a folder for logs and ledgers. Dropping it stops private servers.
#[derive(Debug)]
pub struct Grounds {
    servers: Option<Servers>,
    commands: Commands,
    folder: PathBuf,
}

impl Grounds {
    /// Starts private servers unless both are given.
    pub fn start(folder: &Path, commands: Commands) -> Result<Self> {
        if commands.database_url.is_some() != commands.amqp_url.is_some() {
            bail!(
                "DATABASE_URL and AMQP_URL go together: set both to use your servers, or neither"
            );
        }
        let servers = if commands.are_given() {
            None
        } else {
            Some(Servers::start(&folder.join("servers"), Progress::detect())?)
        };
        Ok(Self { servers, commands, folder: folder.to_owned() })
    }

    /// The folder for logs and ledgers.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What private servers have said; those of others keep their logs to themselves.
    pub fn server_logs(&self) -> Vec<PathBuf> {
        let logs = self.folder.join("servers/logs");
        let logs = ["database.log", "broker.log"].map(|name| logs.join(name));
        logs.into_iter().filter(|log| log.exists()).collect()
    }

    /// Whether the servers outlive us.
    pub fn are_given(&self) -> bool {
        self.servers.is_none()
    }

    /// A URL of the database server.
    pub fn database_url(&self) -> String {
        let given = || self.commands.database_url.clone().unwrap_or_default();
        self.servers.as_ref().map_or_else(given, Servers::database_url)
    }

    /// The URL of the broker.
    pub fn amqp_url(&self) -> String {
        let given = || self.commands.amqp_url.clone().unwrap_or_default();
        self.servers.as_ref().map_or_else(given, Servers::amqp_url)
    }

    /// Kills the database with SIGKILL.
    pub fn kill_database(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.kill_database(),
            None => run(self.commands.kill_database_with.as_deref())?,
        }
        Ok(())
    }

    /// Stops a private database in order; a given one is killed.
    pub fn stop_database(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.stop_database(),
            None => run(self.commands.kill_database_with.as_deref())?,
        }
        Ok(())
    }

    /// Starts the database that was killed or stopped, and waits for it.
    pub fn restart_database(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.restart_database(),
            None => run(self.commands.restart_with.as_deref()),
        }
    }

    /// Kills the broker with SIGKILL.
    pub fn kill_broker(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.kill_broker(),
            None => run(self.commands.kill_broker_with.as_deref())?,
        }
        Ok(())
    }

    /// Stops a private broker in order; a given one is killed.
    pub fn stop_broker(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.stop_broker(),
            None => run(self.commands.kill_broker_with.as_deref())?,
        }
        Ok(())
    }

    /// Runs a command of rabbitmqctl on the broker and answers what it printed.
    pub fn ask_broker(&self, arguments: &[&str]) -> Result<String> {
        if let Some(servers) = &self.servers {
            return servers.ask_broker(arguments);
        }
        let command = self.commands.ask_broker_with.as_deref();
        let command = command.context("there is no command to ask the broker with")?;
        let command = format!("{command} \"$@\"");
        let output = Command::new("sh").args(["-c", &command, "sh"]).args(arguments).output()?;
        if !output.status.success() {
            bail!("`{command}` failed for {arguments:?} ({})", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the broker that was killed or stopped, and waits for it.
    pub fn restart_broker(&mut self) -> Result<()> {
        match &mut self.servers {
            Some(servers) => servers.restart_broker(),
            None => run(self.commands.restart_with.as_deref()),
        }
    }
}

fn run(command: Option<&str>) -> Result<()> {
    let command = command.context("there is no command for this kill")?;
    let status = Command::new("sh").args(["-c", command]).stdout(std::io::stderr()).status()?;
    if !status.success() {
        bail!("`{command}` failed ({status})");
    }
    Ok(())
}
