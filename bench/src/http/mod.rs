//! HTTP/1.1 over one kept connection, and no more than that: the load shares the machine with what it
//! measures, so a request must cost next to nothing.

mod answer;

use std::io::{self, ErrorKind};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub use answer::Answer;
use answer::Parsed;

// Far above a page of a hundred orders; a server gone mad must not take our memory.
const LARGEST_ANSWER: usize = 64 << 20;

/// Where a server is: `http://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Arc<str>);

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("an address begins with http://")?;
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '?', '#', '@']) {
            bail!("an address is http://host:port and nothing else");
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self(if has_port { host.into() } else { format!("{host}:80").into() }))
    }
}

impl Address {
    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.0
    }
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The access token.
    pub token: Option<&'a str>,
    /// The Idempotency-Key.
    pub key: Option<&'a str>,
    /// The JSON body.
    pub body: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request without a body.
    pub fn new(method: &'a str, path: &'a str) -> Self {
        Self { method, path, token: None, key: None, body: None }
    }

    /// A request with a JSON body.
    pub fn json(method: &'a str, path: &'a str, body: &'a str) -> Self {
        Self { body: Some(body), ..Self::new(method, path) }
    }

    /// Sent by whoever holds the token.
    #[must_use]
    pub fn by(self, token: &'a str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// With an Idempotency-Key.
    #[must_use]
    pub fn keyed(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    fn write(&self, host: &str) -> String {
        let Self { method, path, .. } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        let mut header = |name: &str, value: &str| {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        };
        if let Some(token) = self.token {
            header("authorization", &format!("Bearer {token}"));
        }
        if let Some(key) = self.key {
            header("idempotency-key", key);
        }
        if let Some(body) = self.body {
            header("content-type", "application/json");
            header("content-length", &body.len().to_string());
        } else if *method != "GET" {
            header("content-length", "0");
        }
        text.push_str("\r\n");
        text.push_str(self.body.unwrap_or_default());
        text
    }
}

/// A connection, opened by the first request and again by the first one after a failure.
#[derive(Debug)]
pub struct Connection {
    address: Address,
    open: Option<TcpStream>,
    received: Vec<u8>,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(address: Address) -> Self {
        Self { address, open: None, received: Vec::new() }
    }

    /// Sends a request and waits for its answer. After an error, and when the wait is given up, nobody
    /// knows whether the server has acted.
    pub async fn call(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        // Taken out, so that a failed or abandoned exchange closes the connection.
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(&self.address).await?,
        };
        stream.write_all(request.write(self.address.host()).as_bytes()).await?;
        self.received.clear();
        loop {
            if let Parsed::Whole { answer, keep } = answer::parse(&self.received)? {
                if keep {
                    self.open = Some(stream);
                }
                return Ok(answer);
            }
            if self.received.len() > LARGEST_ANSWER {
                return Err(io::Error::new(ErrorKind::InvalidData, "the answer is too large"));
            }
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

async fn connect(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address.host()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let host = |url: &str| url.parse::<Address>().map(|address| address.host().to_owned()).ok();
        assert_eq!(host("http://127.0.0.1:8080/").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(host("http://shop").as_deref(), Some("shop:80"));
        for bad in ["https://shop", "shop:80", "http://", "http://shop/v1", "http://me@shop"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_request_is_written_with_what_it_carries() {
        let request = Request::json("POST", "/v1/checkout", "{}").by("t").keyed("536365");
        assert_eq!(
            request.write("shop:80"),
            "POST /v1/checkout HTTP/1.1\r\nhost: shop:80\r\nauthorization: Bearer t\r\n\
             idempotency-key: 536365\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
        let get = Request::new("GET", "/v1/cart").write("shop:80");
        assert_eq!(get, "GET /v1/cart HTTP/1.1\r\nhost: shop:80\r\n\r\n");
    }
}
