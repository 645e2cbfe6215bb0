//! What can happen, and in which proportions.

use std::time::Duration;

use ordermill_common::order::Move;
use proptest::prelude::*;

/// One thing that happens. Numbers choose among what there is at that moment; where there is nothing, nothing
/// happens.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// Somebody orders that many of each product; `declined` says what the gateway will think of it.
    Checkout { quantities: [u32; 2], declined: bool },
    /// A worker gets messages and handles them as one batch.
    Deliver { worker: usize, messages: Vec<u8> },
    /// A message comes twice.
    Double(u8),
    /// A message is lost.
    Lose(u8),
    /// A worker makes the call that it is about to make.
    Call(u8),
    /// A call on its way arrives at the gateway; the answer reaches the caller, or gets lost.
    Arrive { call: u8, answered: bool },
    /// A call is turned away and does nothing.
    TurnAway(u8),
    /// A caller has waited long enough; its call may still arrive.
    TimeOut(u8),
    /// The gateway is silent to one order, for that many tries in a row.
    Silence { order: u8, tries: u8 },
    /// A worker writes what it knows.
    Settle(u8),
    /// The same, but the commit's answer is lost, and the worker writes it once more.
    SettleTwice(u8),
    /// A worker dies with all that it has in hand.
    Crash(usize),
    /// A buyer or an admin asks to cancel: the order is looked at, and may still be cancelled.
    Ask(u8),
    /// A wish that was asked for is stored; the order may have moved on since it was looked at.
    Note(u8),
    /// An admin tries a move.
    Admin(u8, Move),
    /// An admin makes the next move of one of the orders that have one.
    MoveOn(u8),
    /// The sweep wakes what is due.
    Sweep,
    /// Time passes.
    Wait(Duration),
}

/// The stock of two products, how many silent calls open a breaker, and what happens.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) stock: [i64; 2],
    pub(crate) failures: u32,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn life() -> impl Strategy<Value = Life> {
    let stock = [0_i64..8, 0_i64..8];
    let failures = prop_oneof![Just(3_u32), Just(20)];
    (stock, failures, prop::collection::vec(event(), 1..150))
        .prop_map(|(stock, failures, events)| Life { stock, failures, events })
}

fn event() -> impl Strategy<Value = Event> {
    let quantities = prop_oneof![
        3 => [1_u32..4, 0_u32..1],
        2 => [1_u32..4, 1_u32..4],
        1 => [0_u32..1, 1_u32..4],
    ];
    let checkout = (quantities, prop::bool::weighted(0.15))
        .prop_map(|(quantities, declined)| Event::Checkout { quantities, declined });
    let deliver = (0_usize..2, prop::collection::vec(any::<u8>(), 1..4))
        .prop_map(|(worker, messages)| Event::Deliver { worker, messages });
    let arrive = (any::<u8>(), prop::bool::weighted(0.8))
        .prop_map(|(call, answered)| Event::Arrive { call, answered });
    let steps = prop_oneof![Just(Move::Pack), Just(Move::Ship), Just(Move::Deliver)];
    let waits = prop_oneof![
        3 => 1_u64..2_000,
        2 => 2_000_u64..40_000,
    ];
    prop_oneof![
        5 => checkout,
        12 => deliver,
        2 => any::<u8>().prop_map(Event::Double),
        1 => any::<u8>().prop_map(Event::Lose),
        10 => any::<u8>().prop_map(Event::Call),
        9 => arrive,
        1 => any::<u8>().prop_map(Event::TurnAway),
        3 => any::<u8>().prop_map(Event::TimeOut),
        2 => (any::<u8>(), 1_u8..7).prop_map(|(order, tries)| Event::Silence { order, tries }),
        9 => any::<u8>().prop_map(Event::Settle),
        1 => any::<u8>().prop_map(Event::SettleTwice),
        1 => (0_usize..2).prop_map(Event::Crash),
        3 => any::<u8>().prop_map(Event::Ask),
        4 => any::<u8>().prop_map(Event::Note),
        4 => any::<u8>().prop_map(Event::MoveOn),
        1 => (any::<u8>(), steps).prop_map(|(order, step)| Event::Admin(order, step)),
        4 => Just(Event::Sweep),
        4 => waits.prop_map(|ms| Event::Wait(Duration::from_millis(ms))),
    ]
}
