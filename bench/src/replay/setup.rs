//! Opens the shop: the products with their stock, and an account for each buyer.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::json;
use xtask::secret;

use super::plan::{Plan, Product};
use crate::client::{CallError, Client};
use crate::http::Request;
use crate::installation::Admin;
use crate::live;
use crate::shop::{Account, Page};

const AT_A_TIME: usize = 16;

/// The plan's products and buyers as the installation knows them, by their place in the plan.
#[derive(Debug)]
pub struct Opened {
    /// The ids of the products.
    pub products: Vec<String>,
    /// The buyers' accounts.
    pub buyers: Vec<Account>,
}

#[derive(Deserialize)]
struct Created {
    id: String,
    sku: String,
}

/// Makes products and accounts, new ones for each replay.
pub async fn open(
    client: &Arc<Client>,
    admin: &Admin,
    currency: &str,
    plan: &Plan,
) -> Result<Opened> {
    let tag = secret::hex(4)?;
    let admin = Account::login(Arc::clone(client), admin.email.clone(), admin.password.clone());
    let admin = admin.await.context("the administrator cannot log in")?;
    let products = live::count("Products", plan.products.iter(), AT_A_TIME, |product| {
        create(&admin, product, currency, &tag)
    });
    let products = products.await?;
    let password = secret::hex(16)?;
    let buyers = live::count("Accounts", plan.buyers.iter(), AT_A_TIME, |buyer| {
        let email = format!("{}.{tag}@replay.example", buyer.name);
        Account::register(Arc::clone(client), email, password.clone())
    });
    let buyers = buyers.await?;
    Ok(Opened { products, buyers })
}

async fn create(
    admin: &Account,
    product: &Product,
    currency: &str,
    tag: &str,
) -> Result<String, CallError> {
    let sku = format!("{}:{tag}", product.sku());
    let body = json!({
        "sku": sku,
        "name": product.name,
        "price": {"amount": product.price, "currency": currency},
        "stock": product.stock(),
    });
    let request = body.to_string();
    let request = Request::json("POST", "/v1/admin/products", &request);
    match admin.ask::<Created>(request).await {
        Ok(created) => Ok(created.id),
        // An attempt that was not answered has made it.
        Err(error) if error.code() == Some("sku_taken") => {
            find(admin, product, &sku).await?.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// The id of the product with this SKU, among those of its price.
async fn find(admin: &Account, product: &Product, sku: &str) -> Result<Option<String>, CallError> {
    let price = product.price;
    let mut path =
        format!("/v1/products?sort=newest&min_price={price}&max_price={price}&limit=100");
    let first = path.clone();
    loop {
        let page: Page<Created> = admin.ask(Request::new("GET", &path)).await?;
        if let Some(found) = page.data.into_iter().find(|created| created.sku == sku) {
            return Ok(Some(found.id));
        }
        let Some(cursor) = page.next_cursor else { return Ok(None) };
        path = format!("{first}&cursor={cursor}");
    }
}
