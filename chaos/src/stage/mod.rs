//! The installation that is broken: servers, a payment gateway in a process of its own, several APIs and
//! workers, and a proxy on every way from one of ours to a server.

mod links;
mod member;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use ordermill_bench::http::Address;
use ordermill_bench::installation::{Grounds, Settings as SiteSettings, Site};
use ordermill_common::broker::{Broker, ChannelPool};
use ordermill_common::db::Db;
use tokio::task::block_in_place;
use xtask::ports;

pub use links::{Links, address_of};
pub use member::{CRASH_AT, FREEZE_AT, Health, Member, Settings};
pub use store::Sight;

/// The currency of every installation here.
pub const CURRENCY: &str = "EUR";

/// What an installation consists of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// API processes.
    pub apis: usize,
    /// Worker processes.
    pub workers: usize,
    /// How many of the APIs, and of the workers, are not killed: their memory is watched.
    pub spared: usize,
    /// Whether each of them reaches the servers through a proxy of its own.
    pub links: bool,
    /// Further settings of all.
    pub settings: Settings,
}

impl Default for Plan {
    fn default() -> Self {
        Self { apis: 2, workers: 3, spared: 0, links: false, settings: Vec::new() }
    }
}

/// An installation that runs. Dropping it kills its processes.
#[derive(Debug)]
pub struct Stage<'g> {
    /// The two servers.
    pub grounds: &'g mut Grounds,
    /// Its database, secrets and folder.
    pub site: Arc<Site>,
    /// The payment gateway.
    pub gateway: Member,
    /// The APIs.
    pub apis: Vec<Member>,
    /// The workers.
    pub workers: Vec<Member>,
    /// How many at the end of each of these two are not to be killed.
    pub spared: usize,
    /// The proxies, a pair for each API and worker.
    pub links: Vec<Links>,
    /// A door of ours to its database, through no proxy.
    pub db: Db,
    addresses: Vec<Address>,
}

impl<'g> Stage<'g> {
    /// Makes a database and starts everything on it.
    pub async fn open(grounds: &'g mut Grounds, plan: &Plan) -> Result<Self> {
        let settings = SiteSettings {
            currency: CURRENCY.to_owned(),
            workers: plan.apis + plan.workers,
            more: plan.settings.clone(),
        };
        let site = Arc::new(Site::prepare(grounds, settings).await?);
        let db = Db::new(site.database_url(), 8)?;
        let casting = Casting { site: &site, folder: site.folder() };
        let gateway = casting.gateway()?;
        let url = format!("http://{}", gateway.0);
        let (mut apis, mut workers, mut links) = (Vec::new(), Vec::new(), Vec::new());
        let mut addresses = Vec::new();
        for number in 1..=plan.apis + plan.workers {
            let is_api = number <= plan.apis;
            let name = if is_api {
                format!("api-{number}")
            } else {
                format!("worker-{}", number - plan.apis)
            };
            let mut settings = site.variables();
            settings.push(("ORDERMILL_PAYMENT_GATEWAY_URL", url.clone()));
            if plan.links {
                let link = Links::start(&site.variables()).await?;
                settings.extend(link.settings());
                links.push(link);
            }
            if is_api {
                let (member, address) = casting.api(name, settings)?;
                apis.push(member);
                addresses.push(address);
            } else {
                workers.push(casting.worker(name, settings)?);
            }
        }
        let spared = plan.spared;
        let gateway = gateway.1;
        let mut stage =
            Self { grounds, site, gateway, apis, workers, spared, links, db, addresses };
        block_in_place(|| stage.start())?;
        Ok(stage)
    }

    fn start(&mut self) -> Result<()> {
        self.gateway.start()?;
        for member in self.apis.iter_mut().chain(&mut self.workers) {
            member.start_with(&[])?;
        }
        for member in self.apis.iter_mut().chain(&mut self.workers) {
            member.wait()?;
        }
        Ok(())
    }

    /// Where the APIs answer.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// A way to publish what nobody of ours would.
    pub fn channels(&self) -> Result<ChannelPool> {
        Ok(ChannelPool::new(&self.broker()?, 2))
    }

    /// The broker, with this installation's prefix.
    pub fn broker(&self) -> Result<Broker> {
        Ok(Broker::new(&self.grounds.amqp_url(), self.site.queue_prefix())?)
    }

    /// Every process.
    pub fn members(&mut self) -> impl Iterator<Item = &mut Member> {
        std::iter::once(&mut self.gateway).chain(&mut self.apis).chain(&mut self.workers)
    }

    /// What is left in this installation's queues, a violation each.
    pub fn messages(&self) -> Result<Vec<String>> {
        let ask = ["list_queues", "name", "messages", "--silent"];
        let queues = block_in_place(|| self.grounds.ask_broker(&ask))?;
        let ours = queues.lines().filter(|line| line.starts_with(self.site.queue_prefix()));
        let is_empty = |line: &&str| line.split_whitespace().last() == Some("0");
        let left = ours.filter(|line| !is_empty(line));
        Ok(left.map(|line| format!("LEFT: in a queue: {line}")).collect())
    }

    /// Drains everything and drops the database; fails when a process does not drain.
    pub async fn close(mut self) -> Result<()> {
        let drained = block_in_place(|| {
            for member in self.apis.iter_mut().chain(&mut self.workers) {
                member.drain()?;
            }
            self.gateway.drain()
        });
        self.db.close().await;
        self.site.clear().await?;
        drained
    }
}

/// Gives each process its name, its ports and its settings.
struct Casting<'a> {
    site: &'a Site,
    folder: &'a Path,
}

impl Casting<'_> {
    fn gateway(&self) -> Result<(SocketAddr, Member)> {
        let address = Self::address()?;
        let mut settings = self.site.variables();
        settings.push(("ORDERMILL_GATEWAY_ADDR", address.to_string()));
        let health = Health { address, path: "/livez" };
        let arguments = ["mock-gateway"];
        let name = "gateway".to_owned();
        let gateway =
            Member::new(name, "ordermill-worker", &arguments, settings, health, self.folder);
        Ok((address, gateway))
    }

    fn api(&self, name: String, mut settings: Settings) -> Result<(Member, Address)> {
        let (address, health) = (Self::address()?, Self::health()?);
        settings.push(("ORDERMILL_ADDR", address.to_string()));
        settings.push(("ORDERMILL_ADMIN_ADDR", health.address.to_string()));
        let member = Member::new(name, "ordermill-api", &[], settings, health, self.folder);
        Ok((member, format!("http://{address}").parse()?))
    }

    fn worker(&self, name: String, mut settings: Settings) -> Result<Member> {
        let health = Self::health()?;
        settings.push(("ORDERMILL_ADMIN_ADDR", health.address.to_string()));
        Ok(Member::new(name, "ordermill-worker", &[], settings, health, self.folder))
    }

    fn health() -> Result<Health> {
        Ok(Health { address: Self::address()?, path: "/readyz" })
    }

    fn address() -> Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?)))
    }
}
