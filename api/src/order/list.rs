//! `GET /v1/orders`

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::order::view::{Filter, store};
use ordermill_common::page::{Limit, Page, read_cursor};
use serde::Deserialize;

use super::{Eyes, HeadBody};
use crate::answer::List;
use crate::extract::{AuthUser, Json, Query};
use crate::flaws::Flaws;
use crate::problem::Answer;
use crate::state::AppState;

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The buyer's orders, the latest first, without their lines and histories.
pub async fn list(
    State(app): State<AppState>,
    user: AuthUser,
    OriginalUri(uri): OriginalUri,
    Query(parameters): Query<Parameters>,
) -> Answer<Response> {
    let mut flaws = Flaws::default();
    let limit = flaws.check("?limit", Limit::try_new(parameters.limit));
    let Some(limit) = limit else { return Err(flaws.into()) };
    let name = ("orders", user.id);
    let before = parameters.cursor.map(|cursor| read_cursor(&name, &cursor)).transpose()?;
    let filter = Filter { user: Some(user.id), before, ..Filter::default() };
    let rows = app.db.read(move |conn| Box::pin(store::page(conn, filter, limit.read()))).await?;
    let page = Page::cut(rows, limit);
    let next = page.next(&name, |head| head.id);
    let rows = page.rows.into_iter().map(|head| HeadBody::new(head, app.currency, Eyes::Buyer));
    let list = List::new(rows.collect(), next);
    Ok((list.link(&uri), Json(list)).into_response())
}
