//! `POST /v1/admin/products`

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::catalog::{self, Created, Description, Edit, Name, NewProduct, Sku};
use ordermill_common::clock;
use ordermill_common::id::ProductId;
use ordermill_common::money::{Currency, Money};
use ordermill_common::stock::adjust::Units;
use serde::Deserialize;

use super::tagged;
use crate::extract::{Admin, Json};
use crate::flaws::Flaws;
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;
use crate::wire;

/// A product that does not exist yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    sku: String,
    name: String,
    #[serde(default)]
    description: String,
    price: Money,
    #[serde(default)]
    stock: i64,
}

/// Makes the product, its stock and the first row of its ledger.
pub async fn create(
    State(app): State<AppState>,
    admin: Admin,
    Json(request): Json<Request>,
) -> Answer<Response> {
    let new = request.check(admin, app.currency)?;
    match catalog::create(&app.db, new).await? {
        Created::Done(product) => {
            let location = format!("/v1/admin/products/{}", product.id);
            let body = tagged(product, app.currency);
            Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
        }
        Created::SkuTaken => {
            Err(Problem::new(Code::SkuTaken, "choose another SKU, or restore that product"))
        }
    }
}

impl Request {
    fn check(self, admin: Admin, currency: Currency) -> Result<NewProduct, Problem> {
        let mut flaws = Flaws::default();
        let sku = flaws.check("#/sku", Sku::parse(self.sku));
        let name = flaws.check("#/name", Name::parse(&self.name));
        let description = flaws.check("#/description", Description::parse(self.description));
        let price = wire::price(&mut flaws, self.price, currency);
        let stock = flaws.check("#/stock", Units::parse(self.stock));
        match (sku, name, description, price, stock) {
            (Some(sku), Some(name), Some(description), Some(price), Some(stock)) => {
                let edit = Edit { name, description, price, at: clock::now() };
                Ok(NewProduct { id: ProductId::mint(), sku, edit, stock, by: Some(admin.id) })
            }
            _ => Err(flaws.into()),
        }
    }
}
