//! The client of a gateway that is reached through HTTP. It holds no state but its connections: what a
//! call came to is known from its answer, or by asking again with its key.

use std::time::Duration;

use futures::future::BoxFuture;
use ordermill_common::id::PaymentId;
use ordermill_common::log::chain;
use ordermill_common::payment::{Charge, Gateway, GatewayError, Verdict};
use reqwest::{Response, StatusCode, Url, redirect};
use serde::Serialize;

use super::wire::{CHARGES, ChargeBody, VOIDS, VerdictBody, VoidBody};

/// Longer than any verdict; what goes on beyond is not read.
const LONGEST_ANSWER: usize = 16 * 1024;
/// After which the connections that a burst needed are let go.
const IDLE: Duration = Duration::from_secs(15);

/// A payment gateway behind a URL.
#[derive(Debug, Clone)]
pub struct HttpGateway {
    client: reqwest::Client,
    charges: Url,
    voids: Url,
}

/// The text is not the URL of a gateway. (It is not repeated here: what is wrong with it may be a secret.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not of the form http://host:port, with a path if need be and without user, password or query"
)]
pub struct BadGatewayUrl;

/// Reads the URL of a gateway. Credentials are refused, so that none can reach a log or a list of processes.
pub fn gateway_url(text: &str) -> Result<Url, BadGatewayUrl> {
    let url = Url::parse(text).map_err(|_| BadGatewayUrl)?;
    let plain = url.scheme() == "http" && url.has_host();
    let open = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none();
    if plain && open && bare { Ok(url) } else { Err(BadGatewayUrl) }
}

impl HttpGateway {
    /// A client that keeps at most this many idle connections; it connects when it is first asked. It goes
    /// straight to the URL: no proxy of the environment, and no redirect, sees a payment.
    pub fn new(base: &Url, connections: usize) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true)
            .pool_max_idle_per_host(connections)
            .pool_idle_timeout(IDLE)
            .build()?;
        let under = |path: &str| {
            let mut url = base.clone();
            url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
            url
        };
        Ok(Self { charges: under(CHARGES), voids: under(VOIDS), client })
    }

    async fn ask(&self, url: &Url, body: &impl Serialize) -> Result<VerdictBody, GatewayError> {
        let asking = self.client.post(url.clone()).json(body).send();
        let mut answer = asking.await.map_err(no_answer)?;
        if answer.status() != StatusCode::OK {
            return Err(GatewayError::Unavailable(format!("it answered {}", answer.status())));
        }
        let body = whole(&mut answer).await?;
        serde_json::from_slice(&body).map_err(|_| bad_answer())
    }
}

impl Gateway for HttpGateway {
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Verdict, GatewayError>> {
        Box::pin(async move {
            match self.ask(&self.charges, &ChargeBody::from(charge)).await? {
                VerdictBody::Captured => Ok(Verdict::Captured),
                VerdictBody::Declined { reason } => Ok(Verdict::Declined(reason)),
                VerdictBody::Voided => Err(bad_answer()),
            }
        })
    }

    fn void(&self, key: PaymentId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(async move {
            match self.ask(&self.voids, &VoidBody { key }).await? {
                VerdictBody::Voided => Ok(()),
                VerdictBody::Captured | VerdictBody::Declined { .. } => Err(bad_answer()),
            }
        })
    }
}

/// Reads all of an answer of a sensible length. Its head alone decides nothing: a gateway that is killed
/// while it answers may leave the rest out.
async fn whole(answer: &mut Response) -> Result<Vec<u8>, GatewayError> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err(bad_answer());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn bad_answer() -> GatewayError {
    GatewayError::Unavailable("its answer is no verdict".to_owned())
}

fn no_answer(error: reqwest::Error) -> GatewayError {
    if error.is_timeout() {
        GatewayError::TimedOut
    } else {
        GatewayError::Unavailable(chain(&error.without_url()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_without_repeating_it_when_it_cannot_be_meant_or_holds_a_secret() {
        for good in ["http://127.0.0.1:9200", "http://gateway:9200/", "http://gateway/mock/"] {
            assert!(gateway_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "gateway:9200",
            "https://gateway",
            "http://",
            "http://me:secret@gateway",
            "http://secret@gateway",
            "http://gateway?key=secret",
            "http://gateway#secret",
        ] {
            let why = gateway_url(bad).unwrap_err().to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn the_paths_go_under_the_urls_own() {
        for (base, charges) in [
            ("http://gateway:9200", "http://gateway:9200/v1/charges"),
            ("http://gateway/mock/", "http://gateway/mock/v1/charges"),
        ] {
            let gateway = HttpGateway::new(&gateway_url(base).unwrap(), 1).unwrap();
            assert_eq!(gateway.charges.as_str(), charges);
        }
    }
}
