//! `PUT /v1/admin/products/{id}`

use axum::extract::State;
use axum::response::Response;
use ordermill_common::catalog::{self, Description, Edit, Edited, Name};
use ordermill_common::clock;
use ordermill_common::id::ProductId;
use ordermill_common::money::{Currency, Money};
use serde::Deserialize;

use super::tagged;
use crate::extract::{Admin, IfMatch, Json, Path};
use crate::flaws::Flaws;
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;
use crate::wire;

/// What the product is from now on. Its stock is not among it: that moves by adjustments only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    name: String,
    description: String,
    price: Money,
}

/// Replaces the product's fields, if nobody else did since it was read.
pub async fn update(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<ProductId>,
    IfMatch(expected): IfMatch,
    Json(request): Json<Request>,
) -> Answer<Response> {
    let edit = request.check(app.currency)?;
    match catalog::update(&app.db, id, expected, edit).await? {
        Edited::Done(product) => Ok(tagged(product, app.currency)),
        Edited::Missing => Err(Problem::not_found()),
        Edited::Stale { version } => {
            let stale = Problem::new(Code::PreconditionFailed, "read it again and repeat the edit");
            Err(stale.with("version", version))
        }
    }
}

impl Request {
    fn check(self, currency: Currency) -> Result<Edit, Problem> {
        let mut flaws = Flaws::default();
        let name = flaws.check("#/name", Name::parse(&self.name));
        let description = flaws.check("#/description", Description::parse(self.description));
        let price = wire::price(&mut flaws, self.price, currency);
        match (name, description, price) {
            (Some(name), Some(description), Some(price)) => {
                Ok(Edit { name, description, price, at: clock::now() })
            }
            _ => Err(flaws.into()),
        }
    }
}
