//! What a folder's servers keep from one start to the next: their ports and their passwords.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{ports, secret};

const FILE: &str = "servers.json";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) database_port: u16,
    pub(crate) broker_port: u16,
    pub(crate) distribution_port: u16,
    pub(crate) epmd_port: u16,
    pub(crate) password: String,
    pub(crate) administrator_password: String,
    pub(crate) cookie: String,
    pub(crate) node: String,
    /// Whether the broker has once finished its first start, in which it makes its user.
    pub(crate) broker_is_made: bool,
}

impl State {
    /// The folder's state, new when there is none; ports that others took meanwhile are replaced.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let mut state = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => serde_json::from_str(&text).with_context(|| {
                format!("{}/{FILE} is damaged: `cargo xtask reset` starts anew", folder.display())
            })?,
            Err(_) => Self::new()?,
        };
        state.replace_taken_ports()?;
        state.save(folder)?;
        Ok(state)
    }

    /// `mysql://…` with a user that has all rights.
    pub(crate) fn database_url(&self) -> String {
        let Self { password, database_port, .. } = self;
        format!("mysql://ordermill:{password}@127.0.0.1:{database_port}/ordermill")
    }

    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        secret::write(&folder.join(FILE), &serde_json::to_string_pretty(self)?)
            .with_context(|| format!("cannot write {}/{FILE}", folder.display()))
    }

    fn new() -> Result<Self> {
        Ok(Self {
            database_port: 0,
            broker_port: 0,
            distribution_port: 0,
            epmd_port: 0,
            password: secret::hex(16)?,
            administrator_password: secret::hex(16)?,
            cookie: secret::hex(16)?,
            node: format!("ordermill-{}@localhost", secret::hex(4)?),
            broker_is_made: false,
        })
    }

    fn replace_taken_ports(&mut self) -> Result<()> {
        for port in [
            &mut self.database_port,
            &mut self.broker_port,
            &mut self.distribution_port,
            &mut self.epmd_port,
        ] {
            if *port == 0 || !ports::take(*port) {
                *port = ports::free()?;
            }
        }
        Ok(())
    }
}
