//! The shop as its clients see it: the calls that load and replay make, and what they read of the answers.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::client::{CallError, Client, read};
use crate::http::{Answer, Request};

/// An account that is logged in, and logs in again when its token has expired.
#[derive(Debug)]
pub struct Account {
    client: Arc<Client>,
    email: String,
    password: String,
    token: Mutex<Arc<str>>,
}

/// What the replay reads of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// Grows with every change.
    pub version: u64,
    /// Why it ended without being paid.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was ordered.
    #[serde(default)]
    pub lines: Vec<Line>,
    /// When the checkout was accepted.
    pub accepted_at: DateTime<Utc>,
    /// Its cancellation, when one was asked for.
    #[serde(default)]
    pub cancellation: Option<Cancellation>,
    /// Every change.
    #[serde(default)]
    pub history: Vec<Change>,
}

/// A line of a cart or an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// The product.
    pub product_id: String,
    /// Units.
    pub quantity: u32,
}

/// A wish to cancel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cancellation {
    /// `cancelled` or `refused`, once decided.
    #[serde(default)]
    pub outcome: Option<String>,
}

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// Where the order stood afterwards.
    pub status: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What there is of a cart to read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cart {
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub data: Vec<T>,
    /// Where the next page begins, when there is one.
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    access_token: String,
}

impl Order {
    /// Whether the pipeline has nothing left to do for it.
    pub fn has_ended(&self) -> bool {
        !matches!(self.status.as_str(), "accepted" | "reserved")
    }

    /// The seconds from accept to paid, when it was paid.
    pub fn time_to_paid(&self) -> Option<f64> {
        let paid = self.history.iter().find(|change| change.status == "paid")?;
        Some((paid.at - self.accepted_at).as_seconds_f64())
    }
}

impl Account {
    /// Registers an account and logs in. Registering it before is no failure.
    pub async fn register(
        client: Arc<Client>,
        email: String,
        password: String,
    ) -> Result<Self, CallError> {
        let body = json!({"email": email, "password": password}).to_string();
        let answer = client.call(&Request::json("POST", "/v1/auth/register", &body)).await;
        match answer {
            Err(error) if error.code() != Some("email_taken") => Err(error),
            _ => Self::login(client, email, password).await,
        }
    }

    /// Logs in.
    pub async fn login(
        client: Arc<Client>,
        email: String,
        password: String,
    ) -> Result<Self, CallError> {
        let account = Self { client, email, password, token: Mutex::new("".into()) };
        account.log_in().await?;
        Ok(account)
    }

    /// The access token of the last login.
    pub fn token(&self) -> Arc<str> {
        Arc::clone(&self.token.lock().expect("nobody panics with the token in hand"))
    }

    /// Sends a request as this account and reads the answer.
    pub async fn ask<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, CallError> {
        read(&self.call(request).await?)
    }

    /// Sends a request as this account.
    pub async fn call(&self, request: Request<'_>) -> Result<Answer, CallError> {
        let answer = self.client.call(&request.by(&self.token())).await;
        match answer {
            Err(CallError::Refused(problem)) if problem.status == 401 => {
                self.log_in().await?;
                self.client.call(&request.by(&self.token())).await
            }
            answer => answer,
        }
    }

    /// Every entry of a list, page by page. `path` has a query already.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        let mut next = path.to_owned();
        loop {
            let page: Page<T> = self.ask(Request::new("GET", &next)).await?;
            all.extend(page.data);
            match page.next_cursor {
                Some(cursor) => next = format!("{path}&cursor={cursor}"),
                None => return Ok(all),
            }
        }
    }

    /// Sets a line of the cart, which may be done again without harm.
    pub async fn set_line(&self, product: &str, quantity: u32) -> Result<(), CallError> {
        let path = format!("/v1/cart/lines/{product}");
        let body = format!("{{\"quantity\":{quantity}}}");
        self.call(Request::json("PUT", &path, &body)).await.map(drop)
    }

    /// The cart.
    pub async fn cart(&self) -> Result<Cart, CallError> {
        self.ask(Request::new("GET", "/v1/cart")).await
    }

    /// Empties the cart.
    pub async fn clear_cart(&self) -> Result<(), CallError> {
        self.call(Request::new("DELETE", "/v1/cart")).await.map(drop)
    }

    /// An order of this account.
    pub async fn order(&self, id: &str) -> Result<Order, CallError> {
        self.ask(Request::new("GET", &format!("/v1/orders/{id}"))).await
    }

    async fn log_in(&self) -> Result<(), CallError> {
        let body = json!({"email": self.email, "password": self.password}).to_string();
        let login: Login = self.client.ask(&Request::json("POST", "/v1/auth/login", &body)).await?;
        *self.token.lock().expect("nobody panics with the token in hand") =
            login.access_token.into();
        Ok(())
    }
}
