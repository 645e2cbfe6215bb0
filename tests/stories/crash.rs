//! Crash points: a process dies exactly where it was told to. These stories exist with the feature
//! `crash-points` alone, and need binaries that were built with it.

use std::os::unix::process::ExitStatusExt as _;

use ordermill_tests::staff::Staff;
use ordermill_tests::{Shop, ShopPlan};

const VARIABLE: &str = "ORDERMILL_CRASH_AT";
const SIGABRT: i32 = 6;

#[tokio::test]
async fn a_worker_dies_where_it_was_told_to_and_the_order_ends_in_anothers_hands() {
    let mut shop = Shop::open_as(ShopPlan::workers(0)).await;
    let doomed = shop.start_worker_with(&[(VARIABLE, "reserve.after_commit:1")]);
    let mug = shop.admin().sells("MUG", 5).await;
    let buyer = shop.buyer().await;
    let order = buyer.order(&mug, 2, "tok_approve").await;

    let status = shop.take_worker(doomed).ended().await;

    assert_eq!(status.signal(), Some(SIGABRT));
    assert!(shop.logs().contains("crash point reserve.after_commit hit"));
    assert_eq!(buyer.see(&order).await["status"], "reserved");
    assert_eq!(shop.captures(), 0);
    shop.start_worker();
    let seen = buyer.sees(&order, "paid").await;
    assert_eq!(seen["version"], 3);
    assert_eq!(shop.captures(), 1);
    assert_eq!(shop.admin().stock(&mug).await, 3);
    shop.close().await;
}

#[test]
fn a_point_that_does_not_exist_is_said_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [(VARIABLE.to_owned(), "reserve:1".to_owned())];
    for program in ["ordermill-api", "ordermill-worker"] {
        let (code, said) = Staff::run_once(program, &["--help"], folder.path(), &settings, "");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("'reserve'") && said.contains("reserve.before_commit"), "{said}");
    }
}
