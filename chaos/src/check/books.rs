//! Dead letters and logs: exactly what the scenario explains.

use std::collections::{BTreeSet, HashMap};

use super::Expected;
use super::store::{Letter, Row};

/// Every letter is explained: by poison, by a gateway that gave no verdict, by an order that was broken;
/// and each of these has one.
pub(super) fn letters(
    rows: &[Row],
    letters: &[Letter],
    expected: &Expected,
    violations: &mut Vec<String>,
) {
    let orders: HashMap<String, &Row> =
        rows.iter().map(|row| (row.order_id.to_string(), row)).collect();
    let poison: BTreeSet<&str> = expected.poison.iter().map(String::as_str).collect();
    let (mut parked, mut given_up) = (BTreeSet::new(), BTreeSet::new());
    let mut open = BTreeSet::new();
    for letter in letters {
        let message = letter.message_id.as_deref().unwrap_or_default();
        let order = letter.order_id.map(|order| order.to_string());
        if poison.contains(message) {
            parked.insert(message);
        } else if let Some(row) = order.as_ref().and_then(|order| orders.get(order))
            && gave_up(row)
        {
            given_up.insert(row.order_id.to_string());
        } else {
            violations.push(format!(
                "a dead letter nobody explains: {order:?} from {}: {}",
                letter.source, letter.reason
            ));
        }
        // One that was sent again may have died again.
        let is_first = letter.state != "open" || open.insert((message, &letter.source));
        if !is_first {
            violations.push(format!("{message} from {} has two dead letters", letter.source));
        }
    }
    for message in poison.difference(&parked) {
        violations.push(format!("the poison {message} is not among the dead letters"));
    }
    for row in rows.iter().filter(|row| gave_up(row)) {
        if !given_up.contains(&row.order_id.to_string()) {
            violations.push(format!("{} was given up without a dead letter", row.order_id));
        }
    }
    for row in rows.iter().filter(|row| row.reason.as_deref() == Some("internal")) {
        if !expected.broken.contains(&row.order_id.to_string()) {
            violations.push(format!("{} was rejected for an inner reason", row.order_id));
        }
    }
}

/// The pipeline ended the order without a verdict; that is told by a dead letter.
fn gave_up(row: &Row) -> bool {
    matches!(row.reason.as_deref(), Some("gateway_unavailable" | "internal"))
}

/// Lines of level ERROR that no scenario announced. An order whose gateway gave no verdict is told of.
pub(super) fn logs(errors: &[String], expected: &Expected, violations: &mut Vec<String>) {
    let usual = ["recorded a dead letter"];
    let is_explained =
        |line: &str| usual.iter().chain(&expected.errors).any(|words| line.contains(words));
    let unexplained: Vec<&String> = errors.iter().filter(|line| !is_explained(line)).collect();
    if let Some(first) = unexplained.first() {
        violations.push(format!("{} ERROR lines, the first: {first}", unexplained.len()));
    }
}
