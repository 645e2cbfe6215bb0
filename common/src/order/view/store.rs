//! The reads of orders: each is one statement over checkouts and orders, so that an order is never missing
//! between the two and its status never goes back.

use chrono::{DateTime, Utc};
use sqlx::MySqlConnection;

use super::{Entry, Filter, Head, OrderView, Payment, Wish, lines};
use crate::cancellation::Outcome;
use crate::db::{Error, Result};
use crate::id::{OrderId, UserId};
use crate::order::Status;
use crate::payment::PaymentStatus;
use crate::stock::Shortfall;
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct HeadRow {
    order_id: OrderId,
    user_id: UserId,
    payment_method: String,
    total: i64,
    accepted_at: DateTime<Utc>,
    status: Option<String>,
    version: Option<i64>,
    reason: Option<String>,
    updated_at: Option<DateTime<Utc>>,
    payment_status: Option<String>,
    decline_reason: Option<String>,
    wished_at: Option<DateTime<Utc>>,
    wish_reason: Option<String>,
    wish_outcome: Option<String>,
}

impl TryFrom<HeadRow> for Head {
    type Error = Error;

    fn try_from(row: HeadRow) -> Result<Self> {
        let status_of_payment = row.payment_status.as_deref().map(PaymentStatus::read);
        let payment = status_of_payment
            .transpose()?
            .map(|status| Payment { status, decline_reason: row.decline_reason });
        let outcome = Outcome::read(row.wish_outcome.as_deref())?;
        let wish = |requested_at| Wish { requested_at, reason: row.wish_reason, outcome };
        Ok(Self {
            id: row.order_id,
            user_id: row.user_id,
            status: row.status.as_deref().map_or(Ok(Status::Accepted), status)?,
            version: row.version.unwrap_or(1),
            reason: row.reason,
            total: row.total,
            payment_method: row.payment_method,
            payment,
            cancellation: row.wished_at.map(wish),
            accepted_at: row.accepted_at,
            updated_at: row.updated_at.unwrap_or(row.accepted_at),
        })
    }
}

fn status(text: &str) -> Result<Status> {
    text.parse().map_err(|_| Error::Impossible(format!("an order with status {text}")))
}

macro_rules! heads {
    ($more:literal, $from:literal) => {
        concat!(
            "select c.order_id, c.user_id, c.payment_method, c.total, c.accepted_at, ",
            "o.status, o.version, o.reason, o.updated_at, ",
            "p.status as payment_status, p.decline_reason, ",
            "x.requested_at as wished_at, x.reason as wish_reason, x.outcome as wish_outcome",
            $more,
            $from
        )
    };
}

#[derive(sqlx::FromRow)]
struct OrderRow {
    #[sqlx(flatten)]
    head: HeadRow,
    lines: String,
    shortfall: Option<String>,
}

const FIND: &str = heads!(
    ", c.`lines`, o.shortfall",
    " from checkouts c
left join orders o force index (primary) on o.id = c.order_id
left join payments p force index (payments_order) on p.order_id = c.order_id
left join cancellations x force index (primary) on x.order_id = c.order_id
where c.order_id = ? and (? is null or c.user_id = ?)"
);

/// The order, if it exists and is `owner`'s (anybody's when there is none).
pub async fn find(
    conn: &mut MySqlConnection,
    id: OrderId,
    owner: Option<UserId>,
) -> Result<Option<OrderView>> {
    let row: Option<OrderRow> =
        sqlx::query_as(FIND).bind(id).bind(owner).bind(owner).fetch_optional(&mut *conn).await?;
    let Some(row) = row else { return Ok(None) };
    let head = Head::try_from(row.head)?;
    let shortfall: Option<Vec<Shortfall>> =
        row.shortfall.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| {
            Error::Impossible(format!("a shortfall that cannot be read: {error}"))
        })?;
    let history = history(conn, &head).await?;
    Ok(Some(OrderView {
        lines: lines(id, &row.lines),
        shortfall: shortfall.unwrap_or_default(),
        history,
        head,
    }))
}

const HISTORY: &str = "\
select version, status, event, actor, reason, at
from order_history
where order_id = ? and version <= ?
order by version";

type EntryRow = (i64, String, String, String, Option<String>, DateTime<Utc>);

/// The changes up to the version that was read; later ones belong to the next reading.
async fn history(conn: &mut MySqlConnection, head: &Head) -> Result<Vec<Entry>> {
    if head.status == Status::Accepted {
        return Ok(vec![Entry::accepted(head.accepted_at)]);
    }
    let rows: Vec<EntryRow> =
        sqlx::query_as(HISTORY).bind(head.id).bind(head.version).fetch_all(conn).await?;
    rows.into_iter()
        .map(|(version, text, event, by, reason, at)| {
            Ok(Entry { version, status: status(&text)?, event, at, by, reason })
        })
        .collect()
}

const OF_USER: &str = heads!(
    "",
    " from checkouts c force index (checkouts_by_user)
left join orders o force index (primary) on o.id = c.order_id
left join payments p force index (payments_order) on p.order_id = c.order_id
left join cancellations x force index (primary) on x.order_id = c.order_id
where c.user_id = ? and c.order_id < ?
and (? is null or coalesce(o.status, 'accepted') = ?)
order by c.order_id desc
limit ?"
);

const ALL: &str = heads!(
    "",
    " from checkouts c force index (primary)
left join orders o force index (primary) on o.id = c.order_id
left join payments p force index (payments_order) on p.order_id = c.order_id
left join cancellations x force index (primary) on x.order_id = c.order_id
where c.order_id < ?
order by c.order_id desc
limit ?"
);

// Whatever no worker has consumed has a wake-up, and only that: the index holds nothing else.
const ACCEPTED: &str = heads!(
    "",
    " from checkouts c force index (checkouts_wake)
left join orders o force index (primary) on o.id = c.order_id
left join payments p force index (payments_order) on p.order_id = c.order_id
left join cancellations x force index (primary) on x.order_id = c.order_id
where c.wake_at is not null and c.order_id < ? and o.id is null
order by c.order_id desc
limit ?"
);

const IN_STATUS: &str = heads!(
    "",
    " from orders o force index (orders_by_status)
straight_join checkouts c on c.order_id = o.id
left join payments p force index (payments_order) on p.order_id = o.id
left join cancellations x force index (primary) on x.order_id = o.id
where o.status = ? and o.id < ?
order by o.id desc
limit ?"
);

const WITH_PRODUCT: &str = heads!(
    "",
    " from order_lines l force index (order_lines_by_product)
straight_join orders o on o.id = l.order_id
straight_join checkouts c on c.order_id = l.order_id
left join payments p force index (payments_order) on p.order_id = l.order_id
left join cancellations x force index (primary) on x.order_id = l.order_id
where l.product_id = ? and l.order_id < ?
and (? is null or o.status = ?)
and (? is null or o.user_id = ?)
order by l.order_id desc
limit ?"
);

/// The orders that the filter shows, the latest first; at most `limit`. Each filter walks an index of its
/// own, and nothing is counted.
pub async fn page(conn: &mut MySqlConnection, filter: Filter, limit: u32) -> Result<Vec<Head>> {
    let before = filter.before.unwrap_or(OrderId::from_uuid(Uuid::max()));
    let status = filter.status.map(Status::as_str);
    let query = match (filter.product, filter.user, status) {
        (Some(product), user, status) => sqlx::query_as(WITH_PRODUCT)
            .bind(product)
            .bind(before)
            .bind(status)
            .bind(status)
            .bind(user)
            .bind(user),
        (None, Some(user), status) => {
            sqlx::query_as(OF_USER).bind(user).bind(before).bind(status).bind(status)
        }
        (None, None, Some("accepted")) => sqlx::query_as(ACCEPTED).bind(before),
        (None, None, Some(status)) => sqlx::query_as(IN_STATUS).bind(status).bind(before),
        (None, None, None) => sqlx::query_as(ALL).bind(before),
    };
    let rows: Vec<HeadRow> = query.bind(limit).fetch_all(conn).await?;
    rows.into_iter().map(Head::try_from).collect()
}
