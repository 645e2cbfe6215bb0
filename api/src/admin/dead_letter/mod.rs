//! `/v1/admin/dead-letters`: what could not be handled, and what becomes of it.

mod body;
mod discard;
mod list;
mod read;
mod redrive;

pub use discard::discard;
pub use list::list;
pub use read::read;
pub use redrive::redrive;

use ordermill_common::dead_letter::{Refusal, store};
use ordermill_common::id::DeadLetterId;

use crate::extract::Json;
use crate::problem::{Answer, Code, Problem};
use crate::state::App;
use body::LetterBody;

async fn shown(app: &App, id: DeadLetterId) -> Answer<Json<LetterBody>> {
    let letter = app.db.read(move |conn| Box::pin(store::find(conn, id))).await?;
    Ok(Json(LetterBody::new(letter.ok_or_else(Problem::not_found)?)))
}

fn refused(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::Missing => return Problem::not_found(),
        Refusal::AlreadyClosed(_) => Code::LetterClosed,
        Refusal::NotUnderstood => Code::LetterNotUnderstood,
        Refusal::BadReason => Code::ValidationFailed,
    };
    Problem::new(code, refusal.to_string())
}
