//! A database and a broker of one's own, in a folder, on free ports, with durable settings.
//!
//! [`Servers::start`] makes what is missing in the folder and starts both side by side. Ports and
//! passwords are kept there, so a killed server comes back where its clients look for it, with
//! what it had promised to keep. The servers end with this process, however it ends; should that
//! fail, the next start in the folder ends what is left first.

mod alone;
mod broker;
mod database;
mod state;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

pub use self::alone::DatabaseAlone;

use self::broker::Broker;
use self::database::Database;
use self::state::State;
use crate::child::Tied;
use crate::folder::{self, Claim, Folder};
use crate::progress::Progress;
use crate::{find, install};

const GRACE: Duration = Duration::from_secs(30);

/// Both servers of one folder. Dropping it stops them.
#[derive(Debug)]
pub struct Servers {
    path: PathBuf,
    state: State,
    database: Database,
    broker: Broker,
    // Declared last, so that the folder stays claimed until both have stopped.
    claim: Option<Folder>,
}

/// The server programs of this machine.
#[derive(Debug, Clone)]
pub struct Programs {
    database: PathBuf,
    broker: PathBuf,
}

impl Programs {
    /// Finds both servers; installs what is missing where we know how, and otherwise says what the
    /// reader can do.
    pub fn find_or_install(progress: Progress) -> Result<Self> {
        if find::database().is_none() || find::broker().is_none() {
            install::servers(progress)?;
        }
        match (find::database(), find::broker()) {
            (Some(database), Some(broker)) => Ok(Self { database, broker }),
            _ => bail!("the servers are still missing after their installation"),
        }
    }
}

impl Servers {
    /// Claims the folder, starts both servers and waits until both take clients.
    pub fn start(path: &Path, progress: Progress) -> Result<Self> {
        let folder = match folder::claim(path)? {
            Claim::Ours(folder) => folder,
            Claim::Held(holder) => {
                let pid = holder.map_or(String::new(), |holder| format!(" (pid {})", holder.pid));
                bail!("servers in {} are held by another run{pid}", path.display());
            }
        };
        folder.end_left_behind();
        let mut servers = Self::start_in(&folder, progress)?;
        servers.claim = Some(folder);
        Ok(servers)
    }

    /// Starts both in a folder that the caller has claimed, and keeps claimed, and waits.
    pub fn start_in(folder: &Folder, progress: Progress) -> Result<Self> {
        let programs = Programs::find_or_install(progress)?;
        progress.step("Starting the database and the broker", || {
            let mut servers = Self::launch(folder, &programs)?;
            servers.wait_for_database()?;
            servers.wait_for_broker()?;
            Ok(servers)
        })
    }

    /// Like [`start_in`](Self::start_in) without waiting.
    pub fn launch(folder: &Folder, programs: &Programs) -> Result<Self> {
        let path = folder.path().to_owned();
        fs::create_dir_all(path.join("logs"))?;
        let state = State::load(&path)?;
        // The broker first: it is the slower one, and starts while the database's files are made.
        let broker = Broker::start(&programs.broker, &path, &state, folder.mark())?;
        let database = Database::start(&programs.database, &path, &state, folder.mark(), &[])?;
        Ok(Self { path, state, database, broker, claim: None })
    }

    /// Returns once the database takes clients.
    pub fn wait_for_database(&mut self) -> Result<()> {
        self.database.wait()
    }

    /// Returns once the broker takes clients.
    pub fn wait_for_broker(&mut self) -> Result<()> {
        self.broker.wait()?;
        if !self.state.broker_is_made {
            self.state.broker_is_made = true;
            self.state.save(&self.path)?;
        }
        Ok(())
    }

    /// `mysql://…` with a user that may create databases.
    pub fn database_url(&self) -> String {
        self.state.database_url()
    }

    /// `amqp://…` with a user of the default virtual host.
    pub fn amqp_url(&self) -> String {
        let State { password, broker_port, .. } = &self.state;
        format!("amqp://ordermill:{password}@127.0.0.1:{broker_port}/%2f")
    }

    /// Kills the database with SIGKILL.
    pub fn kill_database(&mut self) {
        self.database.kill();
    }

    /// Stops the database in order, and waits for its end.
    pub fn stop_database(&mut self) {
        self.database.stop(GRACE);
    }

    /// Starts the database again on its port (killing it first if it runs) and waits for it.
    pub fn restart_database(&mut self) -> Result<()> {
        self.database.kill();
        self.database.run()?;
        self.database.wait()
    }

    /// Kills the broker with SIGKILL.
    pub fn kill_broker(&mut self) {
        self.broker.kill();
    }

    /// Stops the broker in order, and waits for its end.
    pub fn stop_broker(&mut self) {
        self.broker.stop(GRACE);
    }

    /// Starts the broker again on its port (killing it first if it runs) and waits for it.
    pub fn restart_broker(&mut self) -> Result<()> {
        self.broker.kill();
        self.broker.run()?;
        self.broker.wait()
    }

    /// Runs a command of the broker's own tool, rabbitmqctl, and answers what it printed.
    pub fn ask_broker(&self, arguments: &[&str]) -> Result<String> {
        self.broker.ask(arguments)
    }

    /// The database's process, unless it was killed.
    pub fn database(&mut self) -> Option<&mut Tied> {
        self.database.child()
    }

    /// The broker's process, unless it was killed.
    pub fn broker(&mut self) -> Option<&mut Tied> {
        self.broker.child()
    }

    /// The one that ended although nobody stopped it.
    pub fn fallen(&mut self) -> Option<&mut Tied> {
        let children = [self.database.child(), self.broker.child()];
        children.into_iter().flatten().find_map(|child| match child.ended() {
            Ok(None) => None,
            _ => Some(child),
        })
    }

    /// Stops both in order and waits until they have ended.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.broker.ask_to_stop();
        self.database.stop(GRACE);
        self.broker.stop(GRACE);
        if let Some(folder) = &self.claim {
            folder.end_left_behind();
        }
    }
}
