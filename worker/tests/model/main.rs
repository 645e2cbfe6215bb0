//! The life of orders and payments as the pure functions decide it, against what a buyer and the payment
//! gateway may see. Events come in any order: messages doubled, lost and late, calls that are answered after
//! their caller gave up, leases that end under a call, crashes between any two steps, cancels and admins at
//! any time. After each event the [`witness`] looks; in the end everything is delivered, and must have ended.
//!
//! A million lives take a quarter of an hour of one core:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test --workspace --test model
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;

use proptest::test_runner::{Config, TestRunner};

mod breaker;
mod event;
mod gateway;
mod sights;
mod witness;
mod world;

use event::{Life, life};
use sights::Sights;
use witness::Witness;
use world::World;

/// Lives of a normal run; `PROPTEST_CASES` asks for more.
const CASES: u32 = 4_000;

fn config() -> Config {
    let given = Config::default();
    Config { cases: given.cases.max(CASES), failure_persistence: None, ..given }
}

/// Lives through the events and whatever they left undone.
fn live(life: &Life) -> Sights {
    let mut world = World::new(life.stock, life.failures);
    let mut witness = Witness::default();
    for event in &life.events {
        world.step(event);
        witness.look(&world);
    }
    world.drain(|world| witness.look(world));
    witness::ended_right(&world);
    world.sights
}

fn lives() -> Sights {
    let seen = RefCell::new(Sights::default());
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&life(), |life| {
        seen.borrow_mut().add(live(&life));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    seen.into_inner()
}

#[test]
fn whatever_happens_in_whatever_order_every_order_ends_right() {
    let seen = lives();
    assert_eq!(seen.missing(), Vec::<&str>::new(), "the events never led there: {seen:?}");
}
