//! The shop as its clients see it: JSON over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{Response, StatusCode};

/// A client of the API, logged in or not.
pub(super) struct Shop {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Shop {
    /// A client that is not logged in.
    pub(super) fn at(url: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(10)))
            .http_status_as_error(false)
            .build();
        Self { agent: config.into(), url: url.to_owned(), token: None }
    }

    /// Another client of the same shop, not logged in.
    pub(super) fn as_guest(&self) -> Self {
        Self { agent: self.agent.clone(), url: self.url.clone(), token: None }
    }

    /// Whether the API takes this credential.
    pub(super) fn may_login(&self, email: &str, password: &str) -> Result<bool> {
        let answer = self.login_answer(email, password)?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Ok(false),
            _ => read(answer).map(|_| true),
        }
    }

    /// From now on speaks as this user.
    pub(super) fn login(&mut self, email: &str, password: &str) -> Result<()> {
        let session = read(self.login_answer(email, password)?)?;
        let token = session["access_token"].as_str().context("the login gave no token")?;
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// What is there.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = request.call().with_context(|| format!("GET {path}"))?;
        read(answer).with_context(|| format!("GET {path}"))
    }

    /// What became of it.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        read(self.post_answer(path, body)?).with_context(|| format!("POST {path}"))
    }

    fn login_answer(&self, email: &str, password: &str) -> Result<Response<ureq::Body>> {
        self.post_answer("/v1/auth/login", &json!({ "email": email, "password": password }))
    }

    fn post_answer(&self, path: &str, body: &Value) -> Result<Response<ureq::Body>> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.send_json(body).with_context(|| format!("POST {path}"))
    }
}

// A refusal is a problem document: its title and detail say what is wrong.
fn read(mut answer: Response<ureq::Body>) -> Result<Value> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string()?;
    if !status.is_success() {
        bail!("the API answered {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("the API answered no JSON: {text}"))
}
