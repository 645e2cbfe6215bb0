//! Stays up: what dies is started again, after a growing pause, until that is clearly hopeless.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use xtask::child::Tied;
use xtask::interrupt::Interrupted;
use xtask::progress::Progress;
use xtask::wait;

use super::Running;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONG_LIFE: Duration = Duration::from_secs(30);
const QUICK_DEATHS_ALLOWED: u32 = 5;

#[derive(Clone, Copy)]
enum Part {
    Api,
    Worker(usize),
    Database,
    Broker,
}

struct Kept {
    part: Part,
    quick_deaths: u32,
    started: Instant,
    restart_at: Option<Instant>,
}

/// Returns on a signal; fails when one of the parts dies again and again.
pub(super) fn until_signal(running: &mut Running, progress: Progress) -> Result<()> {
    let workers = (0..running.installation.workers.len()).map(Part::Worker);
    let servers = running.servers.iter().flat_map(|_| [Part::Database, Part::Broker]);
    let parts = servers.chain([Part::Api]).chain(workers);
    let mut kept: Vec<Kept> = parts.map(Kept::new).collect();
    wait::for_signal(|| kept.iter_mut().try_for_each(|kept| kept.look(running, progress)))
}

impl Kept {
    fn new(part: Part) -> Self {
        Self { part, quick_deaths: 0, started: Instant::now(), restart_at: None }
    }

    fn look(&mut self, running: &mut Running, progress: Progress) -> Result<()> {
        match self.restart_at {
            Some(at) if Instant::now() >= at => {
                self.restart_at = None;
                self.started = Instant::now();
                self.restart(running, progress)
            }
            Some(_) => Ok(()),
            None => self.notice_death(running, progress),
        }
    }

    // One that dies while it starts is noticed like any other death.
    fn restart(&mut self, running: &mut Running, progress: Progress) -> Result<()> {
        match self.part.restart(running) {
            Err(error) if self.part.child(running).is_none() => Err(error),
            Err(error) if !error.is::<Interrupted>() => {
                progress.note(&format!("✗ {error:#}"));
                Ok(())
            }
            Err(_) => Ok(()),
            Ok(()) => {
                let name = self.part.child(running).map_or("", |child| child.name());
                progress.note(&format!("✓ started {name} again"));
                Ok(())
            }
        }
    }

    fn notice_death(&mut self, running: &mut Running, progress: Progress) -> Result<()> {
        let Some(child) = self.part.child(running) else { return Ok(()) };
        let Some(status) = child.ended()? else { return Ok(()) };
        let name = child.name();
        progress.note(&format!(
            "✗ {name} ended ({status}); the end of {}:\n{}",
            child.log().display(),
            child.last_words()
        ));
        if self.started.elapsed() > LONG_LIFE {
            self.quick_deaths = 0;
        }
        self.quick_deaths += 1;
        if self.quick_deaths >= QUICK_DEATHS_ALLOWED {
            bail!("{name} died {QUICK_DEATHS_ALLOWED} times in a row: giving up");
        }
        let pause = FIRST_PAUSE * 2_u32.pow(self.quick_deaths - 1);
        progress.note(&format!("  starting {name} again in {:.1} s", pause.as_secs_f64()));
        self.restart_at = Some(Instant::now() + pause);
        Ok(())
    }
}

impl Part {
    fn child(self, running: &mut Running) -> Option<&mut Tied> {
        match self {
            Self::Api => running.installation.api.child(),
            Self::Worker(number) => running.installation.workers[number].child(),
            Self::Database => running.servers.as_mut()?.database(),
            Self::Broker => running.servers.as_mut()?.broker(),
        }
    }

    fn restart(self, running: &mut Running) -> Result<()> {
        match (self, &mut running.servers) {
            (Self::Api, _) => running.installation.api.start(),
            (Self::Worker(number), _) => running.installation.workers[number].start(),
            (Self::Database, Some(servers)) => servers.restart_database(),
            (Self::Broker, Some(servers)) => servers.restart_broker(),
            (Self::Database | Self::Broker, None) => Ok(()),
        }
    }
}
