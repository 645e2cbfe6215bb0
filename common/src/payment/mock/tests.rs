//! The mock's promises, on real files: each gateway opened here is what one worker process would open.

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use ordermill_scratch::within as within_seconds;
use tempfile::TempDir;

use super::ledger::{Account, Line, Outcome, read};
use super::*;
use crate::payment::Method;
use crate::payment::gateway::within;

/// For calls that get no answer; enough for them to be written down.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(20);

struct Shop {
    _folder: TempDir,
    path: PathBuf,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DEFAULT_LEDGER);
        Self { _folder: folder, path }
    }

    fn worker(&self, name: &str) -> MockGateway {
        MockGateway::open(&self.path, name).unwrap()
    }

    fn account(&self, key: PaymentId) -> Account {
        read(&self.path).unwrap().remove(&key).unwrap_or_default()
    }

    /// Waits until so many calls are written: a caller that gave up does not know that of its own.
    async fn until_called(&self, key: PaymentId, calls: u32) {
        within_seconds(20, "they are written", async || self.account(key).calls >= calls).await;
    }

    fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn scribble(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

fn charge(token: &str) -> Charge {
    Charge {
        key: PaymentId::mint(),
        amount: 1999,
        currency: "EUR".parse().unwrap(),
        method: token.parse::<Method>().unwrap(),
        request: Some("req-12345678".parse().unwrap()),
    }
}

fn declined(reason: &str) -> Verdict {
    Verdict::Declined(reason.to_owned())
}

async fn ask(
    gateway: &dyn Gateway,
    charge: &Charge,
    limit: Duration,
) -> Result<Verdict, GatewayError> {
    within(limit, gateway.charge(charge)).await
}

#[tokio::test]
async fn each_token_does_what_it_says_and_any_worker_repeats_its_verdict() {
    let shop = Shop::new();
    let (one, two) = (shop.worker("one"), shop.worker("two"));
    let timed_out = Err(GatewayError::TimedOut);
    let unavailable = Err(GatewayError::Unavailable("it fails once".to_owned()));
    let captured = Ok(Verdict::Captured);
    let expected = [
        ("tok_approve", captured.clone(), captured.clone()),
        ("tok_decline_no_funds", Ok(declined("no_funds")), Ok(declined("no_funds"))),
        ("tok_slow_5", captured.clone(), captured.clone()),
        ("tok_timeout", timed_out.clone(), timed_out.clone()),
        ("tok_timeout_after_charge", timed_out, captured.clone()),
        ("tok_fail_once", unavailable, captured),
    ];
    for (token, first, later) in expected {
        let charge = charge(token);
        let asked = [(&one, &first), (&two, &later), (&one, &later)];
        for (calls, (worker, expected)) in (1..).zip(asked) {
            let is_silent = *expected == Err(GatewayError::TimedOut);
            let limit = if is_silent { SHORT } else { LONG };
            assert_eq!(ask(worker, &charge, limit).await, *expected, "{token}");
            shop.until_called(charge.key, calls).await;
        }
        let account = shop.account(charge.key);
        assert_eq!(account.calls, 3, "{token}");
        assert_eq!(account.captured, u32::from(later == Ok(Verdict::Captured)), "{token}");
        assert_eq!(account.declined, u32::from(token == "tok_decline_no_funds"), "{token}");
    }
}

#[tokio::test]
async fn a_void_undoes_a_capture_and_forbids_a_later_one() {
    let shop = Shop::new();
    let (one, two) = (shop.worker("one"), shop.worker("two"));
    for token in ["tok_approve", "tok_decline_no", "tok_timeout", "tok_slow_60000", "tok_fail_once"]
    {
        let charge = charge(token);
        let is_silent = ["tok_timeout", "tok_slow_60000"].contains(&token);
        let _ = ask(&one, &charge, if is_silent { SHORT } else { LONG }).await;
        shop.until_called(charge.key, 1).await;
        assert_eq!(two.void(charge.key).await, Ok(()));
        assert_eq!(one.void(charge.key).await, Ok(()));
        assert_eq!(ask(&one, &charge, LONG).await, Ok(declined("voided")), "{token}");
        let account = shop.account(charge.key);
        assert_eq!((account.voided, account.calls), (1, 4), "{token}");
        assert!(!account.holds_money(), "{token}");
    }
    let never_charged = charge("tok_approve");
    assert_eq!(one.void(never_charged.key).await, Ok(()));
    assert_eq!(ask(&two, &never_charged, LONG).await, Ok(declined("voided")));
    assert_eq!(shop.account(never_charged.key).captured, 0);
}

#[tokio::test]
async fn a_slow_charge_that_is_voided_while_it_waits_is_declined() {
    let shop = Shop::new();
    let worker = shop.worker("one");
    let slow = charge("tok_slow_2000");
    let voiding = async {
        while shop.account(slow.key).calls == 0 {
            tokio::task::yield_now().await;
        }
        worker.void(slow.key).await
    };
    let (answer, voided) = tokio::join!(ask(&worker, &slow, LONG), voiding);
    assert_eq!((answer, voided), (Ok(declined("voided")), Ok(())));
    assert!(!shop.account(slow.key).holds_money());
}

#[tokio::test]
async fn every_call_leaves_a_line_that_says_who_what_and_for_which_request() {
    let shop = Shop::new();
    let worker = shop.worker("own_1");
    let charge = charge("tok_timeout_after_charge");
    let _ = ask(&worker, &charge, SHORT).await;
    let _ = ask(&worker, &charge, LONG).await;
    worker.void(charge.key).await.unwrap();
    let lines = shop.lines();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.key == charge.key && line.worker == "own_1"));
    assert!(lines[0].unanswered && !lines[0].replayed);
    assert!(!lines[1].unanswered && lines[1].replayed);
    assert_eq!((lines[0].amount, lines[0].currency), (Some(1999), Some(charge.currency)));
    assert_eq!(lines[0].request, charge.request);
    assert_eq!(
        lines.iter().map(|line| line.outcome).collect::<Vec<_>>(),
        [Outcome::Captured, Outcome::Captured, Outcome::Voided]
    );
    let text = std::fs::read_to_string(&shop.path).unwrap();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["op"], "charge");
    assert_eq!(first["outcome"], "captured");
    assert_eq!(first["key"], charge.key.to_string());
    assert!(!text.contains("tok_"), "a token is not for a file that is passed around");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_charge_the_same_keys_at_once_capture_each_once() {
    let shop = Shop::new();
    let workers: Vec<_> = (0..4).map(|number| shop.worker(&number.to_string())).collect();
    let charges: Vec<_> = (0..500).map(|_| charge("tok_approve")).collect();
    let all = workers.iter().flat_map(|worker| charges.iter().map(move |it| ask(worker, it, LONG)));
    assert!(join_all(all).await.iter().all(|answer| *answer == Ok(Verdict::Captured)));
    let accounts = read(&shop.path).unwrap();
    assert_eq!(accounts.len(), charges.len());
    assert!(accounts.values().all(|account| account.calls == 4 && account.captured == 1));
}

#[tokio::test]
async fn a_torn_last_line_of_a_killed_writer_is_left_out_and_removed() {
    let shop = Shop::new();
    let (one, two) = (shop.worker("one"), shop.worker("two"));
    let (first, second) = (charge("tok_approve"), charge("tok_decline_no"));
    ask(&one, &first, LONG).await.unwrap();
    ask(&two, &first, LONG).await.unwrap();
    let half = serde_json::to_string(&Line { key: second.key, ..shop.lines()[0].clone() }).unwrap();
    shop.scribble(&half);
    assert_eq!(shop.account(second.key), Account::default());
    assert_eq!(ask(&two, &second, LONG).await, Ok(declined("no")));
    assert_eq!(ask(&one, &second, LONG).await, Ok(declined("no")));
    assert_eq!(shop.lines().len(), 4);
    let third = shop.worker("three");
    assert_eq!(ask(&third, &first, LONG).await, Ok(Verdict::Captured));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_gives_no_verdict_and_works_again_when_it_is_mended() {
    let shop = Shop::new();
    let worker = shop.worker("one");
    let charge = charge("tok_approve");
    ask(&worker, &charge, LONG).await.unwrap();
    shop.scribble("nonsense\n");
    let answer = ask(&worker, &charge, LONG).await;
    assert!(
        matches!(&answer, Err(GatewayError::Unavailable(why)) if why.contains("byte")),
        "{answer:?}"
    );
    assert!(read(&shop.path).is_err());
    std::fs::write(&shop.path, "").unwrap();
    assert_eq!(ask(&worker, &charge, LONG).await, Ok(Verdict::Captured));
    assert_eq!(shop.account(charge.key).calls, 1);
}

#[tokio::test]
async fn a_ledger_that_begins_anew_is_noticed() {
    let shop = Shop::new();
    let worker = shop.worker("one");
    let charge = charge("tok_approve");
    ask(&worker, &charge, LONG).await.unwrap();
    worker.void(charge.key).await.unwrap();
    std::fs::write(&shop.path, "").unwrap();
    assert_eq!(ask(&worker, &charge, LONG).await, Ok(Verdict::Captured));
}

#[test]
fn a_folder_that_does_not_exist_is_said_at_once() {
    let error =
        MockGateway::open(std::path::Path::new("no/such/folder/ledger"), "one").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_together_share_a_lock() {
    let shop = Shop::new();
    let workers = [shop.worker("one"), shop.worker("two")];
    let charges: Vec<_> = (0..20_000).map(|_| charge("tok_approve")).collect();
    // Somebody else has the ledger until all of them wait.
    let held = OpenOptions::new().append(true).open(&shop.path).unwrap();
    held.lock().unwrap();
    let waiting = &AtomicUsize::new(0);
    let calls = charges.iter().zip(workers.iter().cycle()).map(|(it, worker)| async move {
        waiting.fetch_add(1, Ordering::Relaxed);
        ask(worker, it, Duration::from_mins(1)).await
    });
    let releasing = async {
        while waiting.load(Ordering::Relaxed) < charges.len() {
            tokio::task::yield_now().await;
        }
        held.unlock().unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(calls), releasing);
    assert!(answers.iter().all(|answer| *answer == Ok(Verdict::Captured)));
    let lines = shop.lines();
    assert_eq!(lines.len(), charges.len());
    // What is decided under one lock is written with one time.
    let locks: HashSet<_> = lines.iter().map(|line| (&line.worker, &line.at)).collect();
    println!("{} charges under {} locks", lines.len(), locks.len());
    assert!(locks.len() < 50, "{}", locks.len());
}
