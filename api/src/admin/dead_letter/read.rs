//! `GET /v1/admin/dead-letters/{id}`

use axum::extract::State;
use ordermill_common::id::DeadLetterId;

use super::body::LetterBody;
use super::shown;
use crate::extract::{Admin, Json, Path};
use crate::problem::Answer;
use crate::state::AppState;

/// A dead letter with its message.
pub async fn read(
    State(app): State<AppState>,
    _: Admin,
    Path(id): Path<DeadLetterId>,
) -> Answer<Json<LetterBody>> {
    shown(&app, id).await
}
