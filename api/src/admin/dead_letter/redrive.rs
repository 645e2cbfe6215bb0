//! `POST /v1/admin/dead-letters/{id}/redrive`

use axum::extract::State;
use ordermill_common::clock;
use ordermill_common::dead_letter::{self, Closer};
use ordermill_common::id::DeadLetterId;

use super::body::LetterBody;
use super::{refused, shown};
use crate::admin::actor;
use crate::extract::{Admin, Json, Path};
use crate::problem::Answer;
use crate::state::AppState;

/// Sends the letter's message again, under the same id, and closes the letter.
pub async fn redrive(
    State(app): State<AppState>,
    admin: Admin,
    Path(id): Path<DeadLetterId>,
) -> Answer<Json<LetterBody>> {
    let owner = app.writes.owner;
    let closer = Closer { by: actor(admin), at: clock::now() };
    let redriven = app.db.write(move |tx| {
        let closer = closer.clone();
        Box::pin(async move { dead_letter::redrive(tx, owner, id, &closer).await })
    });
    let message = redriven.await?.map_err(|refusal| refused(&refusal))?;
    ordermill_common::crash_point!("redrive.after_commit");
    app.writes.publish(message);
    shown(&app, id).await
}
