//! A database without a broker, for those who have one already, and want to kill or misconfigure this one.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use super::database::Database;
use super::state::State;
use super::{GRACE, Programs};
use crate::folder::{self, Claim, Folder};
use crate::progress::Progress;

/// A database server of one folder. Dropping it stops it.
#[derive(Debug)]
pub struct DatabaseAlone {
    state: State,
    database: Database,
    // Declared last, so that the folder stays claimed until the server has stopped.
    claim: Folder,
}

impl DatabaseAlone {
    /// Claims the folder, starts the server with further options of its own, and waits until it takes
    /// clients.
    pub fn start(path: &Path, options: &[&str]) -> Result<Self> {
        let Claim::Ours(claim) = folder::claim(path)? else {
            bail!("the server in {} is held by another run", path.display());
        };
        claim.end_left_behind();
        let programs = Programs::find_or_install(Progress::Quiet)?;
        let path = claim.path();
        fs::create_dir_all(path.join("logs"))?;
        let state = State::load(path)?;
        let database = Database::start(&programs.database, path, &state, claim.mark(), options)?;
        let mut alone = Self { state, database, claim };
        alone.database.wait()?;
        Ok(alone)
    }

    /// `mysql://…` with a user that has all rights.
    pub fn url(&self) -> String {
        self.state.database_url()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.database.kill();
    }

    /// Starts it again on its port (killing it first if it runs) and waits for it.
    pub fn restart(&mut self) -> Result<()> {
        self.database.kill();
        self.database.run()?;
        self.database.wait()
    }
}

impl Drop for DatabaseAlone {
    fn drop(&mut self) {
        self.database.stop(GRACE);
        self.claim.end_left_behind();
    }
}
