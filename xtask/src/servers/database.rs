//! A private MariaDB or MySQL with durable settings: what is committed survives SIGKILL.

use std::fs::{self, DirBuilder};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use super::state::State;
use crate::child::{self, Tied};
use crate::mark::Mark;
use crate::{find, secret, wait};

const DEADLINE: Duration = Duration::from_mins(2);
// The kernel takes 107 bytes; longer paths go to /tmp.
const LONGEST_SOCKET_PATH: usize = 100;

#[derive(Debug)]
pub(crate) struct Database {
    program: PathBuf,
    is_mariadb: bool,
    folder: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    port: u16,
    mark: Mark,
    options: Vec<String>,
    child: Option<Tied>,
}

impl Database {
    /// Prepares the server's files, once per folder, and starts it without waiting for it. The options
    /// come after ours.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        state: &State,
        mark: &Mark,
        options: &[&str],
    ) -> Result<Self> {
        let version = Command::new(program).arg("--version").output().map(|out| out.stdout);
        let version = version.with_context(|| format!("cannot run {}", program.display()))?;
        let mut database = Self {
            program: program.to_owned(),
            is_mariadb: String::from_utf8_lossy(&version).contains("MariaDB"),
            folder: folder.to_owned(),
            socket: socket_path(folder, &state.node),
            log: folder.join("logs/database.log"),
            port: state.database_port,
            mark: mark.clone(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
        };
        secret::write(&database.first_statements(), &statements(state))?;
        database.initialise()?;
        database.run()?;
        Ok(database)
    }

    /// Starts the program on the files that are there.
    pub(crate) fn run(&mut self) -> Result<()> {
        let mut command = self.command()?;
        command
            .arg(format!("--datadir={}", self.files().display()))
            .arg(format!("--socket={}", self.socket.display()))
            .arg(format!("--pid-file={}/database.pid", self.folder.display()))
            .arg(format!("--init-file={}", self.first_statements().display()))
            .arg(format!("--port={}", self.port))
            .args([
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--skip-log-bin",
                "--character-set-server=utf8mb4",
                "--default-time-zone=+00:00",
                "--max-connections=2000",
                "--max-allowed-packet=64M",
                "--innodb-buffer-pool-size=512M",
                "--innodb-flush-log-at-trx-commit=1",
            ]);
        // Room for a burst of writes between checkpoints; each server has its own word for it.
        command.args(if self.is_mariadb {
            &["--innodb-log-file-size=256M", "--performance-schema=OFF"][..]
        } else {
            &["--innodb-redo-log-capacity=256M", "--mysqlx=OFF"][..]
        });
        command.args(&self.options);
        self.child = Some(Tied::start("the database server", command, &self.log)?);
        Ok(())
    }

    /// Waits until it greets clients; it does so only once the first statements have run.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let child = self.child.as_mut().context("the database server is not running")?;
        let ready = wait::until(DEADLINE, || match child.ended()? {
            Some(status) => {
                bail!("the database server ended ({status}):\n{}", child.last_words())
            }
            None => Ok(greets(address).then_some(())),
        })?;
        let late = || format!("the database server is not ready yet:\n{}", child.last_words());
        ready.with_context(late)
    }

    pub(crate) fn child(&mut self) -> Option<&mut Tied> {
        self.child.as_mut()
    }

    pub(crate) fn kill(&mut self) {
        self.child = None;
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
            let _ = fs::remove_file(&self.socket);
        }
    }

    // In a folder that is renamed when complete: a first start cut short is simply repeated.
    fn initialise(&self) -> Result<()> {
        if self.files().is_dir() {
            return Ok(());
        }
        let unfinished = self.folder.join("database.unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        DirBuilder::new().mode(0o700).create(&unfinished)?;
        let mut command = if self.is_mariadb {
            let program = find::program("mariadb-install-db")
                .or_else(|| find::program("mysql_install_db"))
                .context("found MariaDB's server but not mariadb-install-db: install it whole")?;
            let mut command = child::command(program);
            self.mark.put_on(&mut command);
            command.env("TMPDIR", self.temporary()?);
            // It has no need of `--user=root`, with which it fails in a path that holds a space.
            command
                .arg("--no-defaults")
                .current_dir(&self.folder)
                .args(["--auth-root-authentication-method=socket", "--skip-test-db"]);
            command
        } else {
            let mut command = self.command()?;
            command.arg("--initialize-insecure");
            command
        };
        command.arg(format!("--datadir={}", unfinished.display()));
        let mut child = Tied::start("the database's first start", command, &self.log)?;
        let ended = wait::until::<_, anyhow::Error>(DEADLINE, || Ok(child.ended()?))?;
        if !ended.is_some_and(|status| status.success()) {
            bail!("the database's files could not be made:\n{}", child.last_words());
        }
        fs::rename(&unfinished, self.files())?;
        Ok(())
    }

    // `--no-defaults` has to come first, and root has to insist on being root.
    fn command(&self) -> Result<Command> {
        let mut command = child::command(&self.program);
        command.arg("--no-defaults").current_dir(&self.folder);
        command.env("TMPDIR", self.temporary()?);
        if geteuid().is_root() {
            command.arg("--user=root");
        }
        self.mark.put_on(&mut command);
        Ok(command)
    }

    // Of its own: a server that starts deletes the temporary tables in its folder, whoever's they are.
    fn temporary(&self) -> Result<PathBuf> {
        let temporary = self.folder.join("database.tmp");
        fs::create_dir_all(&temporary)?;
        Ok(temporary)
    }

    fn files(&self) -> PathBuf {
        self.folder.join("database")
    }

    fn first_statements(&self) -> PathBuf {
        self.folder.join("database.sql")
    }
}

// Run at each start, one statement a line, before anybody is let in.
fn statements(state: &State) -> String {
    let mut text = format!(
        "create database if not exists ordermill character set utf8mb4;\n\
         alter user root@localhost identified by '{}';\n",
        state.administrator_password
    );
    for host in ["127.0.0.1", "localhost"] {
        let user = format!("ordermill@'{host}'");
        for statement in [
            format!("create user if not exists {user} identified by '{}';\n", state.password),
            format!("alter user {user} identified by '{}';\n", state.password),
            format!("grant all on *.* to {user} with grant option;\n"),
        ] {
            text.push_str(&statement);
        }
    }
    text
}

fn socket_path(folder: &Path, node: &str) -> PathBuf {
    let path = folder.join("database.sock");
    if path.as_os_str().len() <= LONGEST_SOCKET_PATH {
        return path;
    }
    Path::new("/tmp").join(format!("{}.sock", node.replace("@localhost", "")))
}

// A handshake of protocol 10. The greeting of a server that cannot take us is an error (0xff).
fn greets(address: SocketAddr) -> bool {
    let mut start = [0; 5];
    TcpStream::connect_timeout(&address, Duration::from_secs(1))
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.read_exact(&mut start)
        })
        .is_ok_and(|()| start[4] == 10)
}
