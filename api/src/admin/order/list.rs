//! `GET /v1/admin/orders`

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::clock;
use ordermill_common::order::view::{Filter, store};
use ordermill_common::page::{Limit, Page, read_cursor};
use serde::Deserialize;

use crate::answer::List;
use crate::extract::{Admin, Json, Query};
use crate::flaws::Flaws;
use crate::order::{Eyes, HeadBody};
use crate::problem::{Answer, Problem};
use crate::state::AppState;

/// Which orders, and which page of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    status: Option<String>,
    older_than: Option<u32>,
    user: Option<String>,
    product: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The orders that the filters leave, the latest first, without their lines and histories. Nothing is
/// counted. A product is found in orders that a worker has seen.
pub async fn list(
    State(app): State<AppState>,
    _: Admin,
    OriginalUri(uri): OriginalUri,
    Query(mut parameters): Query<Parameters>,
) -> Answer<Response> {
    let (cursor, older_than) = (parameters.cursor.take(), parameters.older_than);
    let (filter, limit) = parameters.check()?;
    let name = ("admin.orders", filter, older_than);
    let place = cursor.map(|cursor| read_cursor(&name, &cursor)).transpose()?;
    let age = older_than.map(|seconds| Filter::accepted_before(clock::now(), seconds));
    let before = place.into_iter().chain(age).min();
    let filter = Filter { before, ..filter };
    let rows = app.db.read(move |conn| Box::pin(store::page(conn, filter, limit.read()))).await?;
    let page = Page::cut(rows, limit);
    let next = page.next(&name, |head| head.id);
    let rows = page.rows.into_iter().map(|head| HeadBody::new(head, app.currency, Eyes::Admin));
    let list = List::new(rows.collect(), next);
    Ok((list.link(&uri), Json(list)).into_response())
}

impl Parameters {
    fn check(self) -> Result<(Filter, Limit), Problem> {
        let mut flaws = Flaws::default();
        let status = self.status.map(|text| flaws.check("?status", text.parse()));
        let user = self.user.map(|text| flaws.check("?user", text.parse()));
        let product = self.product.map(|text| flaws.check("?product", text.parse()));
        let limit = flaws.check("?limit", Limit::try_new(self.limit));
        match (status, user, product, limit) {
            (Some(None), ..) | (_, Some(None), ..) | (_, _, Some(None), _) | (.., None) => {
                Err(flaws.into())
            }
            (status, user, product, Some(limit)) => {
                let (status, user) = (status.flatten(), user.flatten());
                Ok((Filter { status, user, product: product.flatten(), before: None }, limit))
            }
        }
    }
}
