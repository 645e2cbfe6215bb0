//! `POST /v1/admin/orders/{id}/status`

use axum::extract::State;
use ordermill_common::clock;
use ordermill_common::id::OrderId;
use ordermill_common::order::{Advanced, Move, Status, advance};
use serde::Deserialize;

use super::shown;
use crate::admin::actor;
use crate::extract::{Admin, Json, Path};
use crate::flaws::Flaws;
use crate::order::{OrderBody, illegal};
use crate::problem::{Answer, Code, Problem};
use crate::state::AppState;

/// Where the order is to stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    status: Status,
}

/// Moves the order along; repeated, it answers the order that stands there already.
pub async fn move_on(
    State(app): State<AppState>,
    admin: Admin,
    Path(id): Path<OrderId>,
    Json(request): Json<Request>,
) -> Answer<Json<OrderBody>> {
    let step = Move::of_admin(request.status).ok_or_else(not_an_admins)?;
    let (by, at) = (actor(admin), clock::now());
    let advanced = app.db.write(move |tx| {
        let by = by.clone();
        Box::pin(async move { advance(tx, id, step, &by, at).await })
    });
    match advanced.await? {
        Advanced::There(_) => {
            ordermill_common::crash_point!("move.after_commit");
            shown(&app, id).await
        }
        Advanced::Illegal(tried) => Err(illegal(tried, Status::admin_transitions)),
        Advanced::CancellationPending => Err(Problem::new(
            Code::CancellationPending,
            "somebody asked to cancel it; that is decided first",
        )),
        Advanced::Unknown => Err(Problem::not_found()),
    }
}

fn not_an_admins() -> Problem {
    let mut flaws = Flaws::default();
    flaws.add("#/status", "one of packed, shipped, delivered; cancelling has its own operation");
    flaws.into()
}
