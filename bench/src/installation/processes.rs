//! The API and the workers of a site, which can be killed and started again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use xtask::child::{self, Tied};
use xtask::{binaries, wait};

use super::Site;

const READY: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(30);

/// The running processes of a site; the API first. Dropping it kills them.
#[derive(Debug)]
pub struct Processes(Vec<Tied>);

impl Processes {
    /// Starts the API and the workers and waits until each is ready.
    pub fn start(site: &Site) -> Result<Self> {
        let running = (0..=site.workers()).map(|place| start(site, place));
        let mut processes = Self(running.collect::<Result<_>>()?);
        for place in 0..processes.0.len() {
            processes.wait(site, place)?;
        }
        Ok(processes)
    }

    /// Kills the API with SIGKILL.
    pub fn kill_api(&mut self) {
        self.0[0].kill();
    }

    /// Starts the API again, on its port, and waits for it.
    pub fn restart_api(&mut self, site: &Site) -> Result<()> {
        self.restart(site, 0)
    }

    /// Kills the first worker with SIGKILL.
    pub fn kill_worker(&mut self) {
        self.0[1].kill();
    }

    /// Starts the first worker again and waits for it.
    pub fn restart_worker(&mut self, site: &Site) -> Result<()> {
        self.restart(site, 1)
    }

    /// Stops the API, then the workers, each with the chance to finish what it holds.
    pub fn stop(mut self) -> Result<()> {
        let (api, workers) = self.0.split_at_mut(1);
        let mut in_time = true;
        for group in [api, workers] {
            for process in group.iter_mut() {
                process.signal(Signal::TERM);
            }
            for process in group {
                in_time &= process.finish(GRACE);
            }
        }
        if !in_time {
            bail!("a process did not end within {} s of its SIGTERM", GRACE.as_secs());
        }
        Ok(())
    }

    fn restart(&mut self, site: &Site, place: usize) -> Result<()> {
        self.0[place].kill();
        self.0[place] = start(site, place)?;
        self.wait(site, place)
    }

    fn wait(&mut self, site: &Site, place: usize) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, site.admin_ports()[place]));
        let process = &mut self.0[place];
        let ready = wait::until(READY, || match process.ended()? {
            Some(status) => {
                bail!("{} ended ({status}):\n{}", process.name(), process.last_words())
            }
            None => Ok(is_ready(address, "/readyz").then_some(())),
        })?;
        let late = || format!("{} is not ready yet:\n{}", process.name(), process.last_words());
        ready.with_context(late)
    }
}

fn start(site: &Site, place: usize) -> Result<Tied> {
    let (program, name) = match place {
        0 => ("ordermill-api", "api".to_owned()),
        place => ("ordermill-worker", format!("worker-{place}")),
    };
    let mut command = child::command(binaries::path(program)?);
    command.envs(site.variables());
    command.env("ORDERMILL_ADMIN_ADDR", format!("127.0.0.1:{}", site.admin_ports()[place]));
    Tied::start(&name, command, &site.folder().join(format!("{name}.log")))
}

/// Whether a process answers 200 at this path of its health listener, now.
pub fn is_ready(address: SocketAddr, path: &str) -> bool {
    ask(address, path).is_some()
}

/// What a process answers at this path of its health listener, when that is a 200.
pub fn ask(address: SocketAddr, path: &str) -> Option<String> {
    let mut answer = String::new();
    let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
}
