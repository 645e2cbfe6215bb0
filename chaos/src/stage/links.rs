//! The ways of one process to the two servers, each through a proxy that can break it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

use super::Settings;
use crate::proxy::Proxy;

const DATABASE: &str = "DATABASE_URL";
const BROKER: &str = "AMQP_URL";

/// A process's two proxies.
#[derive(Debug)]
pub struct Links {
    /// Between it and the database.
    pub database: Proxy,
    /// Between it and the broker.
    pub broker: Proxy,
    settings: Settings,
}

impl Links {
    /// Starts both, in front of the servers that the settings name.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let (database, database_url) = between(settings, DATABASE).await?;
        // A proxy that waits for a COMMIT has to see it.
        let mark = if database_url.contains('?') { '&' } else { '?' };
        let database_url = format!("{database_url}{mark}ssl-mode=disabled");
        let (broker, broker_url) = between(settings, BROKER).await?;
        let settings = vec![(DATABASE, database_url), (BROKER, broker_url)];
        Ok(Self { database, broker, settings })
    }

    /// The servers' URLs as the process is to use them.
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.database.heal();
        self.broker.heal();
    }
}

async fn between(settings: &Settings, variable: &'static str) -> Result<(Proxy, String)> {
    let (_, url) = settings
        .iter()
        .find(|(name, _)| *name == variable)
        .with_context(|| format!("{variable} is not set"))?;
    let target = address_of(url).with_context(|| variable.to_owned())?;
    let (start, end) = host(url);
    let proxy = Proxy::start(target).await?;
    let through = format!("{}{}{}", &url[..start], proxy.addr(), &url[end..]);
    Ok((proxy, through))
}

/// Where the server of this URL listens.
pub fn address_of(url: &str) -> Result<SocketAddr> {
    let (start, end) = host(url);
    url[start..end].parse().context("a URL here must name its server by address and port")
}

/// Where `host:port` stands in a URL.
fn host(url: &str) -> (usize, usize) {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    let start = url[..end].rfind('@').map_or(after_scheme, |at| at + 1);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_beside_passwords_and_paths() {
        for (url, expected) in [
            ("mysql://me:p@ss@127.0.0.1:3306/shop?x=y", "127.0.0.1:3306"),
            ("amqp://guest:guest@127.0.0.1:5672/%2f", "127.0.0.1:5672"),
            ("amqp://127.0.0.1:5672", "127.0.0.1:5672"),
        ] {
            let (start, end) = host(url);
            assert_eq!(&url[start..end], expected);
        }
    }
}
