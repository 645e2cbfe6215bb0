//! `POST /v1/admin/dead-letters/{id}/discard`

use axum::extract::State;
use ordermill_common::clock;
use ordermill_common::dead_letter::{self, Closer};
use ordermill_common::id::DeadLetterId;
use serde::Deserialize;

use super::body::LetterBody;
use super::{refused, shown};
use crate::admin::actor;
use crate::extract::{Admin, Json, Path};
use crate::flaws::Flaws;
use crate::problem::Answer;
use crate::state::AppState;

const LONGEST_REASON: usize = 200;

/// Why nothing more is to be done.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    reason: String,
}

/// Closes the letter without sending its message again.
pub async fn discard(
    State(app): State<AppState>,
    admin: Admin,
    Path(id): Path<DeadLetterId>,
    Json(request): Json<Request>,
) -> Answer<Json<LetterBody>> {
    let reason = request.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        let mut flaws = Flaws::default();
        flaws.add("#/reason", format_args!("1 to {LONGEST_REASON} characters"));
        return Err(flaws.into());
    }
    let closer = Closer { by: actor(admin), at: clock::now() };
    let discarded = app.db.write(move |tx| {
        let (closer, reason) = (closer.clone(), reason.clone());
        Box::pin(async move { dead_letter::discard(tx, id, &closer, &reason).await })
    });
    discarded.await?.map_err(|refusal| refused(&refusal))?;
    shown(&app, id).await
}
