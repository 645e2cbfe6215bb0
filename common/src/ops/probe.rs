//! The client of the health listener, for container health checks: images hold no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(5);

/// The process is not ready, or nobody answered.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing listens there, or the connection broke.
    #[error("nobody answers at {addr}")]
    Unreachable {
        /// The address asked.
        addr: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No whole answer within five seconds.
    #[error("no answer in time")]
    TimedOut,
    /// It answered something other than 200.
    #[error("not ready: {0}")]
    NotReady(String),
}

/// Asks `/readyz?verbose` once. A listener on every address is asked on the local one.
pub async fn probe(addr: SocketAddr) -> Result<String, ProbeError> {
    let addr = SocketAddr::new(local(addr.ip()), addr.port());
    let answer = tokio::time::timeout(PATIENCE, ask(addr))
        .await
        .map_err(|_| ProbeError::TimedOut)?
        .map_err(|source| ProbeError::Unreachable { addr, source })?;
    let status_line = answer.lines().next().unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    if status_line.split(' ').nth(1) == Some("200") {
        Ok(body.to_owned())
    } else {
        Err(ProbeError::NotReady(format!("{status_line} {body}")))
    }
}

async fn ask(addr: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    let request =
        format!("GET /readyz?verbose HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn local(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
