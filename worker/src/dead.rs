//! The consumer of the dead queue. Dead is not poison: a killed worker burns a delivery of every message
//! that it held. What decodes and is unfinished gets a new wake-up; what is finished is forgotten; the rest
//! is parked in `dead_letters`.

use std::time::Duration;

use ordermill_common::broker::{Delivery, Disposition, Envelope, Kind};
use ordermill_common::crash_point;
use ordermill_common::db::{Db, Result};
use ordermill_common::log::chain;
use ordermill_common::{cancellation, checkout, payment};
use sqlx::MySqlConnection;

use crate::letters;

/// Later than now, so that a message which kills its worker does so at most once in a while.
const REST: Duration = Duration::from_secs(5);

/// Handles a delivery of the dead queue.
pub async fn handle(db: Db, delivery: Delivery) -> Disposition {
    match settle(&db, &delivery).await {
        Ok(()) => {
            crash_point!("dead.after_write");
            Disposition::Ack
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), "cannot look after a dead letter now");
            Disposition::Retry
        }
    }
}

async fn settle(db: &Db, delivery: &Delivery) -> Result<()> {
    let mut conn = db.connect().await?;
    let decoded = Envelope::decode(&delivery.body);
    crash_point!("dead.before_write");
    if let Ok(envelope) = &decoded {
        match standing(&mut conn, envelope).await? {
            Standing::Woken => {
                tracing::info!(order.id = %envelope.order_id, request_id = %envelope.request_id,
                    "a dead message's order is unfinished and was woken");
                return Ok(());
            }
            Standing::Finished => return Ok(()),
            Standing::Unknown => {}
        }
    }
    let why = match &decoded {
        Ok(_) => "there is no such order".to_owned(),
        Err(error) => error.to_string(),
    };
    letters::park(&mut conn, delivery, decoded.as_ref().ok(), &why).await
}

enum Standing {
    Woken,
    Finished,
    Unknown,
}

async fn standing(conn: &mut MySqlConnection, envelope: &Envelope) -> Result<Standing> {
    let order = envelope.order_id;
    let known = match envelope.kind {
        Kind::OrderCheckoutV1 => {
            if checkout::store::wake_one(conn, order, REST).await?
                | payment::store::wake_one(conn, order, REST).await?
            {
                return Ok(Standing::Woken);
            }
            checkout::store::exists(conn, order).await?
        }
        Kind::OrderCancelV1 => {
            if cancellation::store::wake_one(conn, order, REST).await? {
                return Ok(Standing::Woken);
            }
            cancellation::store::exists(conn, order).await?
        }
    };
    Ok(if known { Standing::Finished } else { Standing::Unknown })
}
