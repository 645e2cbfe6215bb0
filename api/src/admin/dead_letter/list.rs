//! `GET /v1/admin/dead-letters`

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse as _, Response};
use ordermill_common::dead_letter::{LetterState, store};
use ordermill_common::page::{Limit, Page, read_cursor};
use serde::Deserialize;

use super::body::HeadBody;
use crate::answer::List;
use crate::extract::{Admin, Json, Query};
use crate::flaws::Flaws;
use crate::problem::Answer;
use crate::state::AppState;

/// Which letters, and which page of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    state: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// The dead letters in one state, or all of them; the oldest first, because it has waited longest.
pub async fn list(
    State(app): State<AppState>,
    _: Admin,
    OriginalUri(uri): OriginalUri,
    Query(parameters): Query<Parameters>,
) -> Answer<Response> {
    let mut flaws = Flaws::default();
    let state = parameters.state.as_deref().and_then(|text| {
        let state = LetterState::parse(text);
        if state.is_none() {
            flaws.add("?state", "open, redriven or discarded");
        }
        state
    });
    let limit = flaws.check("?limit", Limit::try_new(parameters.limit));
    let Some(limit) = limit.filter(|_| flaws.is_empty()) else { return Err(flaws.into()) };
    let name = ("admin.dead_letters", state.map(LetterState::as_str));
    let after = parameters.cursor.map(|cursor| read_cursor(&name, &cursor)).transpose()?;
    let rows =
        app.db.read(move |conn| Box::pin(store::page(conn, state, after, limit.read()))).await?;
    let page = Page::cut(rows, limit);
    let next = page.next(&name, |dead| dead.letter.id);
    let list = List::new(page.rows.into_iter().map(HeadBody::new).collect(), next);
    Ok((list.link(&uri), Json(list)).into_response())
}
