//! The payment gateway as a process of its own, outside of the database: slow, away, killed. Nobody is charged
//! twice, and every order ends.

use std::time::{Duration, Instant};

use ordermill_common::id::PaymentId;
use ordermill_tests::{Gateway, Shop, ShopPlan, until};
use serde_json::{Value, json};

use crate::faults::{PAID, count_reaches, each_orders};

const VOID_DUE: &str = "select cast(count(*) as signed) from payments where status = 'void_due'";
const GIVEN_UP: &str =
    "select cast(count(*) as signed) from orders where reason = 'gateway_unavailable'";

fn replayed(ledger: &[Value]) -> usize {
    ledger.iter().filter(|call| call["replayed"] == true).count()
}

#[tokio::test]
async fn orders_end_as_the_gateway_behind_its_url_decides() {
    let gateway = Gateway::open().await;
    let shop = Shop::open_as(ShopPlan::workers(2).asking(&gateway)).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let buyer = shop.buyer().await;
    for (token, status) in [
        ("tok_approve", "paid"),
        ("tok_slow_100", "paid"),
        ("tok_fail_once", "paid"),
        ("tok_timeout_after_charge", "paid"),
        ("tok_decline_card_expired", "payment_failed"),
    ] {
        let order = buyer.order(&mug, 1, token).await;
        buyer.sees(&order, status).await;
    }
    let order = buyer.order(&mug, 1, "tok_approve").await;
    buyer.sees(&order, "paid").await;
    buyer.cancel(&order).await.expect(202);
    buyer.sees(&order, "cancelled").await;
    shop.at_rest().await;

    assert_eq!((shop.captures(), shop.voids()), (5, 1));
    let ledger = shop.ledger();
    assert!(ledger.iter().all(|call| call["worker"] == "mock-gateway"), "{ledger:?}");
    assert!(
        ledger
            .iter()
            .filter(|call| call["op"] == "charge")
            .all(|call| call["request"] != json!(null))
    );
    assert_eq!(shop.admin().stock(&mug).await, 16);
    let (code, said) = shop.verify();
    assert!(code == 0 && said.contains("ledger_agrees"), "{said}");
    shop.close().await;
}

#[tokio::test]
async fn a_gateway_killed_during_charges_and_started_again_charges_nobody_twice() {
    let mut gateway = Gateway::open().await;
    let shop = Shop::open_as(ShopPlan::workers(2).asking(&gateway)).await;
    let mug = shop.admin().sells("MUG", 300).await;
    let buyers = shop.buyers(20).await;

    let ordering = each_orders(&buyers, &mug, 6, "tok_slow_20");
    let killing = async {
        for kill in 1..=3 {
            // Decided and not yet answered: that is when a gateway does the most harm.
            gateway.behaves(json!({"delay_ms": 100})).await;
            count_reaches(&shop, PAID, "some more are paid", 25 * kill).await;
            gateway.take().kill();
            gateway.start().await;
        }
    };
    tokio::join!(ordering, killing);
    shop.at_rest().await;

    assert_eq!(shop.count(PAID).await, 120);
    assert_eq!(shop.captures(), 120);
    assert!(replayed(&shop.ledger()) > 0, "no kill met a charge that was decided");
    assert_eq!(shop.admin().stock(&mug).await, 180);
    shop.close().await;
}

#[tokio::test]
async fn a_charge_that_is_answered_after_the_worker_gave_up_is_found_by_its_key() {
    let gateway = Gateway::open().await;
    let shop = Shop::open_as(ShopPlan::workers(2).asking(&gateway)).await;
    let mug = shop.admin().sells("MUG", 20).await;
    let buyers = shop.buyers(5).await;
    gateway.behaves(json!({"delay_ms": 3_000})).await;

    each_orders(&buyers, &mug, 1, "tok_approve").await;
    let attempted = "select cast(count(distinct payment_id) as signed) from payment_attempts";
    count_reaches(&shop, attempted, "every charge is given up on", 5).await;
    assert_eq!(shop.captures(), 5, "the money was taken all the same");
    assert_eq!(shop.count(PAID).await, 0);
    gateway.behaves(json!({})).await;
    shop.at_rest().await;

    assert_eq!((shop.count(PAID).await, shop.captures()), (5, 5));
    assert!(replayed(&shop.ledger()) >= 5);
    shop.close().await;
}

#[tokio::test]
async fn orders_wait_for_a_gateway_that_is_unavailable_for_a_while() {
    let gateway = Gateway::open().await;
    let shop = Shop::open_as(ShopPlan::workers(1).asking(&gateway)).await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(10).await;
    gateway.behaves(json!({"unavailable": true})).await;

    each_orders(&buyers, &mug, 3, "tok_approve").await;
    until("the breaker opens", || async {
        shop.logs().contains("the payment gateway gives no verdicts").then_some(())
    })
    .await;
    assert!(shop.ledger().is_empty());
    gateway.behaves(json!({})).await;
    shop.at_rest().await;

    assert!(shop.logs().contains("the payment gateway answers again"));
    assert_eq!((shop.count(PAID).await, shop.captures()), (30, 30));
    shop.close().await;
}

#[tokio::test]
async fn orders_end_without_the_gateway_and_are_voided_once_it_is_back() {
    let mut gateway = Gateway::open().await;
    let shop = Shop::open_as(ShopPlan::workers(2).asking(&gateway)).await;
    let mug = shop.admin().sells("MUG", 10).await;
    let buyers = shop.buyers(4).await;
    gateway.take().kill();

    each_orders(&buyers, &mug, 1, "tok_approve").await;
    count_reaches(&shop, GIVEN_UP, "the orders end", 4).await;
    assert_eq!(shop.count(VOID_DUE).await, 4, "the payments wait");
    assert_eq!(shop.admin().stock(&mug).await, 10);
    gateway.start().await;
    shop.at_rest().await;

    assert_eq!(shop.captures(), 0);
    let voided = "select cast(count(*) as signed) from payments where status = 'voided'";
    assert_eq!(shop.count(voided).await, 4);
    shop.close_after(&["recorded a dead letter"]).await;
}

#[tokio::test]
async fn a_gateway_that_holds_a_request_ends_at_once_and_remembers_its_keys() {
    let mut gateway = Gateway::open().await;
    let (held, charged) = (PaymentId::mint().to_string(), PaymentId::mint().to_string());
    let captured = json!({"verdict": "captured"});
    assert_eq!(gateway.charge(&charged, "tok_approve").await.expect("an answer"), captured);
    let process = gateway.take();
    let ending = async {
        until("the request is held", || async {
            let ledger = std::fs::read_to_string(gateway.ledger()).unwrap_or_default();
            ledger.contains(&held).then_some(())
        })
        .await;
        let since = Instant::now();
        assert_eq!(process.stop().await, 0);
        since.elapsed()
    };
    let (answer, took) = tokio::join!(gateway.charge(&held, "tok_timeout"), ending);
    assert!(answer.is_err(), "{answer:?}");
    // It is held for a minute; what it takes on a quiet machine is some milliseconds.
    assert!(took < Duration::from_secs(5), "{took:?}");

    gateway.start().await;
    let again = gateway.charge(&charged, "tok_decline_no").await.expect("an answer");
    assert_eq!(again, captured, "the first verdict stands");
}
