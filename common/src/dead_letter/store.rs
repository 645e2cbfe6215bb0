//! The statements of the table `dead_letters`.

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use super::{Closed, Closer, DeadLetter, LetterState, NewLetter};
use crate::db::{Error, Result, Tx, batch};
use crate::id::{DeadLetterId, OrderId};
use crate::trace::RequestId;

const MESSAGE_ID: usize = 64;
const KIND: usize = 40;
const SOURCE: usize = 80;
const REASON: usize = 500;
/// Far more than a message of ours has, and far less than the server takes in one packet.
const BODY: usize = 64 * 1024;
const CLOSED_BY: usize = 40;
pub(super) const CLOSED_REASON: usize = 200;

/// Keeps the letter and says whether it is new: a message that is open already with the same source is
/// not kept twice, so that parking may be repeated.
pub async fn insert(conn: &mut MySqlConnection, letter: &NewLetter) -> Result<bool> {
    let message_id = letter.message_id.as_deref().and_then(|id| ascii(id, MESSAGE_ID));
    let source = cut(&letter.source.replace(|c: char| !c.is_ascii(), "?"), SOURCE);
    let outcome = sqlx::query(
        "insert into dead_letters (id, message_id, kind, order_id, source, reason, body, request_id, \
         state, died_at) \
         select ?, ?, ?, ?, ?, ?, ?, ?, 'open', now(6) \
         from (select 1) one \
         where not exists ( \
         select 1 from dead_letters d force index (dead_letters_by_message) \
         where d.state = 'open' and d.message_id = ? and d.source = ?)",
    )
    .bind(letter.id)
    .bind(message_id)
    .bind(letter.kind.as_deref().and_then(|kind| ascii(kind, KIND)))
    .bind(letter.order_id)
    .bind(&source)
    .bind(reason(letter))
    .bind(&letter.body[..letter.body.len().min(BODY)])
    .bind(letter.request_id.as_ref().map(RequestId::as_str))
    .bind(message_id)
    .bind(&source)
    .execute(conn)
    .await?;
    Ok(outcome.rows_affected() == 1)
}

/// Letters by age, oldest first: those in `state` (all of them if none is given) after the one named. Their
/// bodies are left out.
pub async fn page(
    conn: &mut MySqlConnection,
    state: Option<LetterState>,
    after: Option<DeadLetterId>,
    limit: u32,
) -> Result<Vec<DeadLetter>> {
    let after = after.map_or([0; 16], |id| *id.uuid().as_bytes());
    let rows: Vec<Row> =
        match state {
            Some(state) => sqlx::query_as(
                "select id, message_id, kind, order_id, source, reason, x'' as body, request_id, state, \
                 closed_by, closed_reason, closed_at, died_at \
                 from dead_letters \
                 where state = ? and id > ? \
                 order by id \
                 limit ?",
            )
            .bind(state.as_str())
            .bind(after.as_slice())
            .bind(limit)
            .fetch_all(conn)
            .await?,
            None => sqlx::query_as(
                "select id, message_id, kind, order_id, source, reason, x'' as body, request_id, state, \
                 closed_by, closed_reason, closed_at, died_at \
                 from dead_letters \
                 where id > ? \
                 order by id \
                 limit ?",
            )
            .bind(after.as_slice())
            .bind(limit)
            .fetch_all(conn)
            .await?,
        };
    rows.into_iter().map(DeadLetter::try_from).collect()
}

/// The letter with this id.
pub async fn find(conn: &mut MySqlConnection, id: DeadLetterId) -> Result<Option<DeadLetter>> {
    let row: Option<Row> = sqlx::query_as(
        "select id, message_id, kind, order_id, source, reason, body, request_id, state, \
         closed_by, closed_reason, closed_at, died_at \
         from dead_letters \
         where id = ?",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    row.map(DeadLetter::try_from).transpose()
}

/// As [`find`], and locks the letter's row.
pub async fn lock(tx: &mut Tx<'_>, id: DeadLetterId) -> Result<Option<DeadLetter>> {
    let row: Option<Row> = sqlx::query_as(
        "select id, message_id, kind, order_id, source, reason, body, request_id, state, \
         closed_by, closed_reason, closed_at, died_at \
         from dead_letters \
         where id = ? \
         for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(DeadLetter::try_from).transpose()
}

/// Closes an open letter. The caller holds its lock and has seen that it is open.
pub async fn close(
    tx: &mut Tx<'_>,
    id: DeadLetterId,
    state: LetterState,
    closer: &Closer,
    reason: Option<&str>,
) -> Result<()> {
    let outcome = sqlx::query(
        "update dead_letters \
         set state = ?, closed_by = ?, closed_reason = ?, closed_at = ? \
         where id = ? and state = 'open'",
    )
    .bind(state.as_str())
    .bind(who(&closer.by))
    .bind(reason)
    .bind(closer.at)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    batch::touched("close a dead letter", 1, &outcome)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: DeadLetterId,
    message_id: Option<String>,
    kind: Option<String>,
    order_id: Option<OrderId>,
    source: String,
    reason: String,
    body: Vec<u8>,
    request_id: Option<String>,
    state: String,
    closed_by: Option<String>,
    closed_reason: Option<String>,
    closed_at: Option<DateTime<Utc>>,
    died_at: DateTime<Utc>,
}

impl TryFrom<Row> for DeadLetter {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let impossible = |what| Error::Impossible(format!("dead letter {} has {what}", row.id));
        let state = LetterState::parse(&row.state).ok_or_else(|| impossible("an unknown state"))?;
        let closed = match (row.closed_by, row.closed_at) {
            (Some(by), Some(at)) => Some(Closed { by, reason: row.closed_reason, at }),
            (None, None) => None,
            _ => return Err(impossible("half an end")),
        };
        let letter = NewLetter {
            id: row.id,
            message_id: row.message_id,
            kind: row.kind,
            order_id: row.order_id,
            request_id: row.request_id.and_then(|id| id.parse().ok()),
            source: row.source,
            reason: row.reason,
            body: row.body,
        };
        Ok(Self { letter, state, closed, died_at: row.died_at })
    }
}

/// Why the letter died, and of which size its body was if that is cut.
fn reason(letter: &NewLetter) -> String {
    let size = letter.body.len();
    if size <= BODY {
        return cut(&letter.reason, REASON);
    }
    let kept = format!("; the first {BODY} of {size} bytes are kept");
    cut(&letter.reason, REASON - kept.len()) + &kept
}

/// The name of somebody who closes, as it is stored.
pub(super) fn who(by: &str) -> String {
    cut(&by.replace(|c: char| !c.is_ascii(), "?"), CLOSED_BY)
}

/// The first characters of a text.
fn cut(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// A name that fits an ASCII column whole; what does not fit names nothing of ours.
fn ascii(text: &str, bytes: usize) -> Option<&str> {
    (text.is_ascii() && text.len() <= bytes).then_some(text)
}
