//! Replays of made-up invoices in a private installation, through the program as users call it.

use std::process::{Command, Output};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/invoices.csv");

/// What the file holds, whatever the stock comes to.
const ROWS: [(&str, &str); 9] = [
    ("read", "281"),
    ("sold", "253"),
    ("in C invoices", "13"),
    ("left out: unreadable", "1"),
    ("left out: not goods (postage, fees, discounts)", "10"),
    ("left out: negative quantity outside a C invoice", "1"),
    ("left out: price of zero", "1"),
    ("left out: price is no amount of minor units", "1"),
    ("left out: quantity above 1,000,000", "1"),
];

fn replay(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().expect("the program is built with the test");
    let (table, words) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{words}\n{table}");
    table.into_owned()
}

fn bench() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ordermill-bench"))
}

/// The values of all rows with this label.
fn values<'a>(table: &'a str, label: &str) -> Vec<&'a str> {
    let value = |line: &'a str| {
        let value = line.trim().strip_prefix(label)?;
        value.starts_with("  ").then(|| value.trim())
    };
    table.lines().filter_map(value).collect()
}

fn number(table: &str, label: &str) -> u64 {
    values(table, label).first().map_or(0, |value| value.parse().expect("it is a count"))
}

fn assert_adds_up(table: &str) {
    for (label, value) in ROWS {
        assert_eq!(values(table, label).first(), Some(&value), "{label}\n{table}");
    }
    assert_eq!(values(table, "read"), ["281", "90", "7"], "{table}");
    let (refused, rejected) =
        (number(table, "refused at cart: out_of_stock"), number(table, "rejected: out_of_stock"));
    assert!(refused + rejected > 0, "a tenth of the demand has no stock\n{table}");
    let sent = 90 - number(table, "nothing to sell") - refused - number(table, "C invoices");
    assert_eq!(number(table, "sent"), sent, "{table}");
    assert_eq!(number(table, "accepted"), sent, "{table}");
    let (paid, cancelled) = (number(table, "paid"), number(table, "cancelled"));
    assert_eq!(paid + cancelled + rejected, sent, "{table}");
    assert!(paid > 0, "{table}");
    assert!(table.contains("every row and every invoice is accounted for"), "{table}");
    assert!(table.contains("nothing found"), "{table}");
}

/// On the servers of the test run, where there are some.
#[test]
fn a_replay_accounts_for_every_row_and_invoice() {
    let table = replay(bench().args(["replay", "--no-build", FILE]));
    assert_adds_up(&table);
    assert_eq!(values(&table, "killed"), ["nothing"]);
    assert_eq!(values(&table, "errors in the logs"), ["0"]);
}

/// On servers of its own, since it kills them.
#[test]
fn kills_of_everything_in_turn_lose_and_double_nothing() {
    let mut command = bench();
    command.env_remove("DATABASE_URL").env_remove("AMQP_URL");
    let table = replay(command.args(["replay", "--no-build", FILE, "--kill-each"]));
    assert_adds_up(&table);
    assert_eq!(values(&table, "killed"), ["a worker, the API, RabbitMQ, the database"]);
}
