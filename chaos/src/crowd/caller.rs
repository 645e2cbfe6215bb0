//! One client: it calls one of the APIs, logs every call, and knows three endings. A call that ended
//! unknown can be repeated, at another API, until somebody gives an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use ordermill_bench::client::Client;
use ordermill_bench::http::{Address, Answer, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::error::Elapsed;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::testimony::{Call, Ending, Testimony};

/// How long an answer is waited for by repeating; above every fault that is healed.
const LONGEST: Duration = Duration::from_mins(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An answer that decides: done, or refused.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Value,
    /// The same to the letter.
    pub letters: Vec<u8>,
    /// No call before this one ended unknown.
    pub is_sure: bool,
    /// A call before this one was given up without an answer: it may still be carried out, at any time.
    pub lags: bool,
}

/// Nobody knows how a call ended.
#[derive(Debug, Clone, Copy)]
struct Unknown {
    /// Whoever has it may still be at it.
    lags: bool,
}

impl Reply {
    /// Whether it was done.
    pub fn is_ok(&self) -> bool {
        self.status < 400
    }

    /// A text of the body, empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// The body as what it is meant to be.
    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        let Self { status, body, .. } = self;
        serde_json::from_value(body).with_context(|| format!("an answer of {status}"))
    }
}

/// A client with a name and, once logged in, a token.
#[derive(Debug)]
pub struct Caller {
    name: String,
    apis: Arc<[Client]>,
    account: Option<Account>,
    token: String,
    testimony: Arc<Testimony>,
    dice: Dice,
}

/// How a client logs in, and when it has to do so again.
#[derive(Debug)]
struct Account {
    email: String,
    password: String,
    renew_at: Instant,
}

/// The clients that all callers share.
pub fn clients(addresses: &[Address]) -> Arc<[Client]> {
    // Each call is made once: what is repeated is decided, and logged, here.
    addresses.iter().map(|address| Client::new(address.clone(), Duration::ZERO)).collect()
}

impl Caller {
    /// Somebody without an account.
    pub fn new(name: String, apis: Arc<[Client]>, testimony: Arc<Testimony>, dice: Dice) -> Self {
        Self { name, apis, account: None, token: String::new(), testimony, dice }
    }

    /// Registers, unless that was done, and logs in; from then on a token is renewed long before it expires.
    pub async fn enter(&mut self, email: &str, password: &str, register: bool) -> Result<()> {
        if register {
            let body = json!({"email": email, "password": password}).to_string();
            let request = Request::json("POST", "/v1/auth/register", &body);
            self.ask("register", email, &request).await?;
        }
        self.log_in(email.to_owned(), password.to_owned()).await
    }

    async fn log_in(&mut self, email: String, password: String) -> Result<()> {
        let body = json!({"email": email, "password": password}).to_string();
        let request = Request::json("POST", "/v1/auth/login", &body);
        let asked = Instant::now();
        let reply = self.insist("login", &email, &request).await?;
        if !reply.is_ok() {
            bail!("{email} cannot log in: {}", reply.body);
        }
        reply.text("access_token").clone_into(&mut self.token);
        let lifetime = reply.body["expires_in"].as_u64().context("a token without an end")?;
        let renew_at = asked + Duration::from_secs(lifetime) / 2;
        self.account = Some(Account { email, password, renew_at });
        Ok(())
    }

    /// Its chance.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// What its calls are logged in.
    pub fn testimony(&self) -> &Testimony {
        &self.testimony
    }

    /// Calls until the ending is known.
    pub async fn ask(&mut self, what: &str, subject: &str, request: &Request<'_>) -> Result<Reply> {
        if let Some(old) = self.account.take_if(|account| account.renew_at < Instant::now()) {
            self.log_in(old.email, old.password).await?;
        }
        self.insist(what, subject, request).await
    }

    async fn insist(&mut self, what: &str, subject: &str, request: &Request<'_>) -> Result<Reply> {
        let started = Instant::now();
        let (mut pause, mut is_sure, mut lags) = (FIRST_PAUSE, true, false);
        loop {
            let place = self.dice.below(self.apis.len());
            match self.at(place, what, subject, request).await {
                Ok(reply) => return Ok(Reply { is_sure, lags, ..reply }),
                Err(unknown) => lags |= unknown.lags,
            }
            is_sure = false;
            if started.elapsed() > LONGEST {
                bail!("{what} {subject}: no answer in {LONGEST:?}");
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Calls once; `None` when nobody knows how it ended.
    pub async fn once(
        &mut self,
        what: &str,
        subject: &str,
        request: &Request<'_>,
    ) -> Option<Reply> {
        let place = self.dice.below(self.apis.len());
        self.at(place, what, subject, request).await.ok()
    }

    /// Calls twice at the same time, at APIs that chance chooses: a double click.
    pub async fn twice(
        &mut self,
        what: &str,
        subject: &str,
        request: &Request<'_>,
    ) -> [Option<Reply>; 2] {
        self.both(subject, [(what, request), (what, request)]).await
    }

    /// Makes two calls about one subject at the same time, at APIs that chance chooses.
    pub async fn both(
        &mut self,
        subject: &str,
        calls: [(&str, &Request<'_>); 2],
    ) -> [Option<Reply>; 2] {
        let [one, other] = [(); 2].map(|()| self.dice.below(self.apis.len()));
        let [(what, request), (other_what, other_request)] = calls;
        let (one, other) = tokio::join!(
            self.at(one, what, subject, request),
            self.at(other, other_what, subject, other_request)
        );
        [one.ok(), other.ok()]
    }

    async fn at(
        &self,
        place: usize,
        what: &str,
        subject: &str,
        request: &Request<'_>,
    ) -> Result<Reply, Unknown> {
        let began = Instant::now();
        let answer = self.apis[place].once(&request.by(&self.token)).await;
        let (ending, words) = match &answer {
            Ok(answer) => (ending(answer.status), answer.status.to_string()),
            Err(error) => (Ending::Unknown, format!("{error:#}")),
        };
        let who = &self.name;
        let call = Call { who, what, subject, ending, answer: &words };
        self.testimony.log(began, call);
        match answer {
            Ok(answer) if ending != Ending::Unknown => Ok(reply(answer)),
            Ok(_) => Err(Unknown { lags: false }),
            Err(error) => Err(Unknown { lags: error.is::<Elapsed>() }),
        }
    }
}

fn ending(status: u16) -> Ending {
    match status {
        0..400 => Ending::Ok,
        // Some of these mean that nothing was done; a client need not rely on it.
        408 | 429 | 500.. => Ending::Unknown,
        _ => Ending::Refused,
    }
}

fn reply(answer: Answer) -> Reply {
    let Answer { status, body: letters, .. } = answer;
    let body = serde_json::from_slice(&letters).unwrap_or(Value::Null);
    Reply { status, body, letters, is_sure: true, lags: false }
}
