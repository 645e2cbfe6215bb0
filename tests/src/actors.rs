//! Who uses the shop: buyers and admins, through HTTP, with a token each.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::shop::eur;
use ordermill_scratch::until;

/// The way to the API; it follows when the API moves to another port.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    base: Arc<RwLock<String>>,
}

impl Default for Http {
    fn default() -> Self {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .expect("a client");
        Self { client, base: Arc::default() }
    }
}

/// What the API answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub code: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body, `null` when there is none.
    pub body: Value,
}

impl Answer {
    /// Asserts the status code and goes on with the body.
    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code.as_u16(), code, "{}", self.body);
        self.body
    }

    /// Asserts the status code and the problem's code, and goes on with the problem.
    #[track_caller]
    pub fn refused(self, code: u16, problem: &str) -> Value {
        let kind = self.header("content-type").to_owned();
        let body = self.expect(code);
        assert_eq!(body["code"], problem, "{body}");
        assert_eq!(kind, "application/problem+json");
        body
    }

    /// A header's text, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Http {
    pub(crate) fn move_to(&self, address: &str) {
        *self.base.write().expect("nobody panics holding it") = format!("http://{address}");
    }

    /// Where the API is, as `http://host:port`.
    pub fn address(&self) -> String {
        self.base.read().expect("nobody panics holding it").clone()
    }

    pub(crate) async fn is_there(&self) -> bool {
        self.try_send(Method::GET, "/v1/products?limit=1", None, &[], None)
            .await
            .is_ok_and(|answer| answer.code == StatusCode::OK)
    }

    /// Sends a request; `Err` when no answer came.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        let url = format!("{}{path}", self.base.read().expect("nobody panics holding it"));
        let mut request = self.client.request(method, url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let (code, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        Ok(Answer { code, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
    }
}

/// Somebody with a token.
#[derive(Debug, Clone, Default)]
pub struct Account {
    http: Http,
    /// Their id.
    pub id: String,
    /// Their e-mail address.
    pub email: String,
    token: String,
}

impl Account {
    async fn login(http: Http, email: &str, password: &str) -> Self {
        let login = json!({"email": email, "password": password});
        let answer = http.try_send(Method::POST, "/v1/auth/login", None, &[], Some(&login)).await;
        let body = answer.expect("the API answers").expect(200);
        Self {
            http,
            id: text(&body["user"]["id"]),
            email: email.to_owned(),
            token: text(&body["access_token"]),
        }
    }

    /// Sends a request in their name; `Err` when no answer came.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> reqwest::Result<Answer> {
        self.http.try_send(method, path, Some(&self.token), headers, body).await
    }

    /// Sends a request in their name and expects an answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.expect("the API answers")
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// Their token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// A user in the act of buying.
#[derive(Debug, Clone)]
pub struct Buyer(Account);

impl std::ops::Deref for Buyer {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

impl Buyer {
    pub(crate) async fn register(http: Http) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a name that no other buyer has")]
        let email = format!("buyer-{}@mail.example", uuid::Uuid::new_v4().simple());
        let account = json!({"email": email, "password": "a long password"});
        let answer =
            http.try_send(Method::POST, "/v1/auth/register", None, &[], Some(&account)).await;
        answer.expect("the API answers").expect(201);
        Self(Account::login(http, &email, "a long password").await)
    }

    /// Adds to the cart.
    pub async fn add(&self, product: &str, quantity: u32) -> Answer {
        self.post("/v1/cart/lines", &json!({"product_id": product, "quantity": quantity})).await
    }

    /// Checks out with a payment token and no key.
    pub async fn checkout(&self, token: &str) -> Answer {
        self.post("/v1/checkout", &json!({"payment_method": token})).await
    }

    /// Checks out with a payment token and a key.
    pub async fn checkout_with_key(&self, token: &str, key: &str) -> Answer {
        let body = json!({"payment_method": token});
        self.send(Method::POST, "/v1/checkout", &[("idempotency-key", key)], Some(&body)).await
    }

    /// Fills the cart and checks out; answers the order's id.
    pub async fn order(&self, product: &str, quantity: u32, token: &str) -> String {
        self.add(product, quantity).await.expect(200);
        text(&self.checkout(token).await.expect(202)["id"])
    }

    /// The order as it stands.
    pub async fn see(&self, order: &str) -> Value {
        self.get(&format!("/v1/orders/{order}")).await.expect(200)
    }

    /// Waits until the order has this status; answers the order.
    pub async fn sees(&self, order: &str, status: &str) -> Value {
        until(&format!("{order} becomes {status}"), || async {
            let seen = self.see(order).await;
            (seen["status"] == status).then_some(seen)
        })
        .await
    }

    /// Asks to cancel.
    pub async fn cancel(&self, order: &str) -> Answer {
        self.post(&format!("/v1/orders/{order}/cancel"), &json!({})).await
    }
}

/// An account with that role.
#[derive(Debug, Clone, Default)]
pub struct Admin(Account);

impl std::ops::Deref for Admin {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

impl Admin {
    pub(crate) async fn login(http: Http, email: &str, password: &str) -> Self {
        Self(Account::login(http, email, password).await)
    }

    /// Puts a product on sale for 10.00; answers its id.
    pub async fn sells(&self, sku: &str, stock: i64) -> String {
        let product =
            json!({"sku": sku, "name": format!("The {sku}"), "price": eur(1000), "stock": stock});
        text(&self.post("/v1/admin/products", &product).await.expect(201)["id"])
    }

    /// How many of it can still be taken.
    pub async fn stock(&self, product: &str) -> i64 {
        let path = format!("/v1/admin/products/{product}");
        self.get(&path).await.expect(200)["available"].as_i64().expect("a number")
    }

    /// Moves an order on.
    pub async fn moves(&self, order: &str, status: &str) -> Answer {
        self.post(&format!("/v1/admin/orders/{order}/status"), &json!({"status": status})).await
    }
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text instead of {value}")).to_owned()
}
