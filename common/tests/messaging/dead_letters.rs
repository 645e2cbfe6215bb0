//! A dead letter is kept, and closed once.

use ordermill_common::broker::Kind;
use ordermill_common::clock;
use ordermill_common::dead_letter::{
    Closer, LetterState, NewLetter, Refusal, discard, redrive, store,
};
use ordermill_common::id::{DeadLetterId, MessageId, OrderId, OwnerId};
use ordermill_common::trace::RequestId;

use crate::stage::Stage;

fn letter() -> NewLetter {
    NewLetter {
        id: DeadLetterId::mint(),
        message_id: Some(MessageId::mint().to_string()),
        kind: Some(Kind::OrderCheckoutV1.to_string()),
        order_id: Some(OrderId::mint()),
        request_id: Some(RequestId::mint()),
        source: "orders.checkout".to_owned(),
        reason: "delivery_limit".to_owned(),
        body: vec![0, 255, b'x'],
    }
}

async fn keep(stage: &Stage, letter: &NewLetter) -> bool {
    let mut conn = stage.db.connect().await.unwrap();
    store::insert(&mut conn, letter).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_kept_once_and_read_back_as_it_was() {
    let stage = Stage::set().await;
    let sent = letter();
    assert!(keep(&stage, &sent).await);
    assert!(!keep(&stage, &NewLetter { id: DeadLetterId::mint(), ..sent.clone() }).await);
    let mut conn = stage.db.connect().await.unwrap();
    let found = store::find(&mut conn, sent.id).await.unwrap().expect("it is kept");
    assert_eq!(found.state, LetterState::Open);
    assert_eq!(found.closed, None);
    assert_eq!(found.letter.body, sent.body);
    assert_eq!(found.letter.message_id, sent.message_id);
    assert_eq!(found.letter.kind, sent.kind);
    assert_eq!(found.letter.order_id, sent.order_id);
    assert_eq!(found.letter.request_id, sent.request_id);
    assert_eq!(store::find(&mut conn, DeadLetterId::mint()).await.unwrap().map(|_| ()), None);
}

/// Somebody who closes now.
fn closer(by: &str) -> Closer {
    Closer { by: by.to_owned(), at: clock::now() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closing_that_is_repeated_after_a_lost_answer_is_told_the_same() {
    let stage = Stage::set().await;
    let (sent, dropped) = (letter(), letter());
    keep(&stage, &sent).await;
    keep(&stage, &dropped).await;
    let (owner, closer) = (OwnerId::mint(), closer("usr_1"));
    let mut tx = stage.db.pool().begin().await.unwrap();
    let first = redrive(&mut tx, owner, sent.id, &closer).await.unwrap();
    assert_eq!(redrive(&mut tx, owner, sent.id, &closer).await.unwrap(), first);
    for _ in 0..2 {
        discard(&mut tx, dropped.id, &closer, "why not").await.unwrap().unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(stage.pending().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stranger_wrote_is_kept_as_far_as_it_fits() {
    let stage = Stage::set().await;
    let strange = NewLetter {
        message_id: Some("ü".repeat(100)),
        kind: Some("x".repeat(41)),
        order_id: None,
        request_id: None,
        source: "é".repeat(200),
        reason: "ü".repeat(1000),
        ..letter()
    };
    assert!(keep(&stage, &strange).await);
    let mut conn = stage.db.connect().await.unwrap();
    let found = store::find(&mut conn, strange.id).await.unwrap().unwrap();
    assert_eq!((found.letter.message_id.as_deref(), found.letter.kind.as_deref()), (None, None));
    assert_eq!(found.letter.reason, "ü".repeat(500));
    assert_eq!(found.letter.source, "?".repeat(80));
    let mut tx = stage.db.pool().begin().await.unwrap();
    let refused = redrive(&mut tx, OwnerId::mint(), strange.id, &closer("ops")).await.unwrap();
    assert_eq!(refused, Err(Refusal::NotUnderstood));
    discard(&mut tx, strange.id, &closer("ops"), "nobody knows").await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_body_that_the_server_would_not_take_the_beginning_is_kept_and_its_size_told() {
    let stage = Stage::set().await;
    let size = 17 * 1024 * 1024;
    let large = NewLetter { body: vec![b'x'; size], reason: "ü".repeat(1000), ..letter() };
    assert!(keep(&stage, &large).await);
    let mut conn = stage.db.connect().await.unwrap();
    let found = store::find(&mut conn, large.id).await.unwrap().unwrap();
    assert_eq!(found.letter.body, large.body[..65_536]);
    let end = "ü; the first 65536 of 17825792 bytes are kept";
    assert!(found.letter.reason.ends_with(end), "{}", found.letter.reason);
    assert_eq!(found.letter.reason.chars().count(), 500);
    assert!(found.message().is_some(), "what a redrive needs is not in the body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_letters_carries_none_of_their_bodies() {
    let stage = Stage::set().await;
    let sent = letter();
    keep(&stage, &sent).await;
    let mut conn = stage.db.connect().await.unwrap();
    for state in [None, Some(LetterState::Open)] {
        let page = store::page(&mut conn, state, None, 10).await.unwrap();
        assert_eq!((page.len(), page[0].letter.body.len()), (1, 0));
        assert_eq!(page[0].letter.reason, sent.reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_sends_the_same_message_and_closes_the_letter_once() {
    let stage = Stage::set().await;
    let sent = letter();
    keep(&stage, &sent).await;
    let owner = OwnerId::mint();
    let mut tx = stage.db.pool().begin().await.unwrap();
    let row = redrive(&mut tx, owner, sent.id, &closer("usr_1")).await.unwrap().unwrap();
    assert_eq!(Some(row.id.to_string()), sent.message_id);
    assert_eq!(Some(row.order_id), sent.order_id);
    assert_eq!(Some(row.request_id), sent.request_id);
    let again = redrive(&mut tx, owner, sent.id, &closer("usr_1")).await.unwrap();
    assert_eq!(again, Err(Refusal::AlreadyClosed(LetterState::Redriven)));
    let late = discard(&mut tx, sent.id, &closer("usr_1"), "late").await.unwrap();
    assert_eq!(late, Err(Refusal::AlreadyClosed(LetterState::Redriven)));
    tx.commit().await.unwrap();
    assert_eq!(stage.pending().await, 1);

    // It dies again before its first row has left: that row is on its way already.
    let second = NewLetter { id: DeadLetterId::mint(), ..sent };
    assert!(keep(&stage, &second).await);
    let mut tx = stage.db.pool().begin().await.unwrap();
    redrive(&mut tx, owner, second.id, &closer("usr_1")).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert_eq!(stage.pending().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discard_needs_a_letter_and_a_reason() {
    let stage = Stage::set().await;
    let sent = letter();
    keep(&stage, &sent).await;
    let mut tx = stage.db.pool().begin().await.unwrap();
    for bad in [" ", &"x".repeat(201)] {
        let refused = discard(&mut tx, sent.id, &closer("usr_1"), bad).await.unwrap();
        assert_eq!(refused, Err(Refusal::BadReason));
    }
    let missing =
        discard(&mut tx, DeadLetterId::mint(), &closer("usr_1"), "why not").await.unwrap();
    assert_eq!(missing, Err(Refusal::Missing));
    discard(&mut tx, sent.id, &closer("usr_1"), "test order").await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut conn = stage.db.connect().await.unwrap();
    let closed = store::find(&mut conn, sent.id).await.unwrap().unwrap().closed.unwrap();
    assert_eq!((closed.by.as_str(), closed.reason.as_deref()), ("usr_1", Some("test order")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_through_all_letters_of_a_state() {
    let stage = Stage::set().await;
    let letters: Vec<_> = (0..5).map(|_| letter()).collect();
    for letter in &letters {
        keep(&stage, letter).await;
    }
    let mut tx = stage.db.pool().begin().await.unwrap();
    discard(&mut tx, letters[1].id, &closer("usr_1"), "no").await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let mut conn = stage.db.connect().await.unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store::page(&mut conn, Some(LetterState::Open), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.letter.id);
        seen.extend(page.iter().map(|letter| letter.letter.id));
    }
    let open: Vec<_> = [0, 2, 3, 4].iter().map(|place: &usize| letters[*place].id).collect();
    assert_eq!(seen, open);
    assert_eq!(store::page(&mut conn, None, None, 10).await.unwrap().len(), 5);
}
