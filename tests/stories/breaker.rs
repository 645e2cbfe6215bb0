//! A payment gateway that answers nobody: it is left alone, the orders wait in their rows, and all of them
//! are paid once it answers again.

use futures::future::join_all;
use ordermill_tests::{Shop, until};

const OPEN: &str = "the payment gateway gives no verdicts";
const CLOSED: &str = "the payment gateway answers again";
const SCHEDULED: &str = "select cast(count(*) as signed) from payments \
    where status = 'pending' and lease_until is null and wake_at is not null";

#[tokio::test]
async fn orders_that_meet_a_silent_gateway_are_scheduled_and_paid_when_it_answers_again() {
    let shop = Shop::open().await;
    let mug = shop.admin().sells("MUG", 50).await;
    let buyers = shop.buyers(24).await;
    // A book that cannot be read makes every call end without a verdict.
    std::fs::write(shop.ledger_file(), "no book\n").expect("the folder is ours");
    join_all(buyers.iter().map(|buyer| buyer.order(&mug, 1, "tok_approve"))).await;

    until("the breaker is open", || async { shop.logs().contains(OPEN).then_some(()) }).await;
    until("orders are scheduled and not called for", || async {
        let put_off = shop.logs().contains("barred");
        (put_off && shop.count(SCHEDULED).await > 0).then_some(())
    })
    .await;
    std::fs::write(shop.ledger_file(), "").expect("the folder is ours");
    shop.at_rest().await;

    assert!(shop.logs().contains(CLOSED));
    assert_eq!(
        shop.count("select cast(count(*) as signed) from orders where status = 'paid'").await,
        24
    );
    assert_eq!(shop.captures(), 24);
    assert_eq!(shop.admin().stock(&mug).await, 26);
    shop.close().await;
}
