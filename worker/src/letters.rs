//! Dead letters: what a stage gives up on is recorded, and `ordermill-worker dead-letters` decides what
//! becomes of them.

use anyhow::{Context as _, bail};
use ordermill_common::broker::{Delivery, Envelope, Kind};
use ordermill_common::db::{Db, Result};
use ordermill_common::dead_letter::{self, Closer, DeadLetter, LetterState, NewLetter};
use ordermill_common::id::{DeadLetterId, MessageId, OrderId, OwnerId};
use ordermill_common::{checkout, clock};
use sqlx::MySqlConnection;

use crate::config::DeadLetterAction;

const BY: &str = "command line";

/// Records that a stage gave up on an order, in the caller's transaction if there is one. A redrive sends
/// a message of this kind for the order again.
pub async fn record(
    conn: &mut MySqlConnection,
    (kind, order_id): (Kind, OrderId),
    source: &str,
    why: &str,
) -> Result<()> {
    let id = MessageId::mint();
    let request_id = checkout::store::request_of(conn, order_id).await?;
    let letter = NewLetter {
        id: DeadLetterId::mint(),
        message_id: Some(id.to_string()),
        kind: Some(kind.as_str().to_owned()),
        order_id: Some(order_id),
        body: request_id
            .iter()
            .flat_map(|request| Envelope::new(id, kind, order_id, request.clone()).encode())
            .collect(),
        request_id,
        source: source.to_owned(),
        reason: why.to_owned(),
    };
    tracing::error!(order.id = %order_id, source, reason = why, "recorded a dead letter");
    dead_letter::store::insert(conn, &letter).await?;
    Ok(())
}

/// Parks a message of the dead queue that no order explains.
pub async fn park(
    conn: &mut MySqlConnection,
    delivery: &Delivery,
    envelope: Option<&Envelope>,
    why: &str,
) -> Result<()> {
    let request = delivery.request_id.as_deref().and_then(|text| text.parse().ok());
    let source = delivery.death.as_ref().map_or("orders.dead", |death| death.queue.as_str());
    let letter = NewLetter {
        id: DeadLetterId::mint(),
        message_id: envelope.map(|known| known.id.to_string()).or(delivery.message_id.clone()),
        kind: envelope.map(|known| known.kind.as_str().to_owned()).or(delivery.kind.clone()),
        order_id: envelope.map(|known| known.order_id),
        request_id: envelope.map(|known| known.request_id.clone()).or(request),
        source: source.to_owned(),
        reason: why.to_owned(),
        body: delivery.body.clone(),
    };
    if dead_letter::store::insert(conn, &letter).await? {
        tracing::error!(
            message.id = letter.message_id,
            source,
            reason = why,
            "parked a dead letter"
        );
    }
    Ok(())
}

/// Does what the command line asks for.
pub async fn act(db: &Db, action: &DeadLetterAction) -> anyhow::Result<()> {
    match action {
        DeadLetterAction::List { state, limit } => list(db, state, *limit).await,
        DeadLetterAction::Show { id } => show(db, parse(id)?).await,
        DeadLetterAction::Redrive { id } => redrive(db, parse(id)?).await,
        DeadLetterAction::Discard { id, reason } => discard(db, parse(id)?, reason.clone()).await,
    }
}

fn parse(id: &str) -> anyhow::Result<DeadLetterId> {
    id.parse().with_context(|| format!("'{id}' is not a dead letter"))
}

async fn list(db: &Db, state: &str, limit: u32) -> anyhow::Result<()> {
    let Some(state) = LetterState::parse(state) else {
        bail!("a dead letter is open, redriven or discarded, not '{state}'");
    };
    let mut conn = db.connect().await?;
    let letters = dead_letter::store::page(&mut conn, Some(state), None, limit).await?;
    for letter in &letters {
        println!("{}", line(letter));
    }
    eprintln!("{} {}", letters.len(), state.as_str());
    Ok(())
}

fn line(letter: &DeadLetter) -> String {
    let order = letter.letter.order_id.map_or("-".to_owned(), |id| id.to_string());
    let at = clock::wire(letter.died_at);
    format!(
        "{}  {at}  {}  {order}  {}",
        letter.letter.id, letter.letter.source, letter.letter.reason
    )
}

async fn show(db: &Db, id: DeadLetterId) -> anyhow::Result<()> {
    let mut conn = db.connect().await?;
    let Some(letter) = dead_letter::store::find(&mut conn, id).await? else {
        bail!("there is no dead letter {id}");
    };
    println!("{}", line(&letter));
    println!("state    {}", letter.state.as_str());
    println!("message  {}", letter.letter.message_id.as_deref().unwrap_or("-"));
    println!("kind     {}", letter.letter.kind.as_deref().unwrap_or("-"));
    if let Some(request) = &letter.letter.request_id {
        println!("request  {request}");
    }
    if let Some(closed) = &letter.closed {
        let reason = closed.reason.as_deref().unwrap_or("");
        println!("closed   {} by {} {reason}", clock::wire(closed.at), closed.by);
    }
    println!("body     {}", String::from_utf8_lossy(&letter.letter.body).escape_debug());
    Ok(())
}

fn closer() -> Closer {
    Closer { by: BY.to_owned(), at: clock::now() }
}

/// The row's lease is this short-lived process's, which has no relay: any other takes it over when the
/// lease ends.
async fn redrive(db: &Db, id: DeadLetterId) -> anyhow::Result<()> {
    let (owner, closer) = (OwnerId::mint(), closer());
    let redriving = db.write(move |tx| {
        let closer = closer.clone();
        Box::pin(async move { dead_letter::redrive(tx, owner, id, &closer).await })
    });
    let row = redriving.await??;
    println!("{id}: {} for {} leaves within 35 seconds", row.id, row.order_id);
    Ok(())
}

async fn discard(db: &Db, id: DeadLetterId, reason: String) -> anyhow::Result<()> {
    let closer = closer();
    db.write(move |tx| {
        let (closer, reason) = (closer.clone(), reason.clone());
        Box::pin(async move { dead_letter::discard(tx, id, &closer, &reason).await })
    })
    .await??;
    println!("{id}: discarded");
    Ok(())
}
