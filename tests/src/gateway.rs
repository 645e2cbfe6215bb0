//! A payment gateway of its own, outside of the shop: it outlives the shop's processes, and they it.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::actors::Http;
use crate::shop::ShopPlan;
use crate::staff::{Staff, address};
use ordermill_scratch::until;

/// The mock gateway's process, its ledger and its port.
#[derive(Debug)]
pub struct Gateway {
    folder: TempDir,
    address: String,
    http: Http,
    process: Option<Staff>,
}

impl Gateway {
    /// Opens one with an empty ledger, on a free port.
    pub async fn open() -> Self {
        let folder =
            tempfile::Builder::new().prefix("ordermill-gateway-").tempdir().expect("a folder");
        let mut gateway = Self {
            folder,
            address: "127.0.0.1:0".to_owned(),
            http: Http::default(),
            process: None,
        };
        gateway.start().await;
        gateway
    }

    /// Starts it on its ledger, and on its port once it has one.
    pub async fn start(&mut self) {
        let file = self.folder.path().join("gateway.port");
        let _ = std::fs::remove_file(&file);
        let settings = [
            ("ORDERMILL_GATEWAY_ADDR", self.address.clone()),
            ("ORDERMILL_GATEWAY_PORT_FILE", file.display().to_string()),
            ("ORDERMILL_PAYMENT_LEDGER", self.ledger().display().to_string()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let folder = self.folder.path();
        let process =
            Staff::start("ordermill-worker", &["mock-gateway"], folder, "gateway", &settings);
        self.process = Some(process);
        self.address = address(&file).await;
        self.http.move_to(&self.address);
        until("the gateway lives", || async {
            let asking = self.http.try_send(Method::GET, "/livez", None, &[], None);
            asking.await.is_ok_and(|answer| answer.code.is_success()).then_some(())
        })
        .await;
    }

    /// Its process, taken out: to be killed or stopped.
    pub fn take(&mut self) -> Staff {
        self.process.take().expect("the gateway runs")
    }

    /// Its ledger.
    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("payments.jsonl")
    }

    /// Makes it misbehave from now on; `{}` ends that.
    pub async fn behaves(&self, how: Value) {
        let path = "/mock/behaviour";
        let answer = self.http.try_send(Method::POST, path, None, &[], Some(&how)).await;
        answer.expect("the gateway answers").expect(200);
    }

    /// Charges for somebody who is no worker of ours; `Err` when no answer came.
    pub async fn charge(&self, key: &str, method: &str) -> reqwest::Result<Value> {
        let body = json!({"key": key, "amount": 1999, "currency": "EUR", "method": method});
        let asking = self.http.try_send(Method::POST, "/v1/charges", None, &[], Some(&body));
        Ok(asking.await?.body)
    }
}

impl ShopPlan {
    /// With workers that ask this gateway.
    #[must_use]
    pub fn asking(self, gateway: &Gateway) -> Self {
        self.with("ORDERMILL_PAYMENT_GATEWAY_URL", format!("http://{}", gateway.address))
            .with("ORDERMILL_PAYMENT_LEDGER", gateway.ledger().display().to_string())
    }
}

/// The lines of a ledger, one call an entry.
pub(crate) fn lines(ledger: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(ledger).unwrap_or_default();
    // The last line may be on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the ledger is JSON"))
        .collect()
}
