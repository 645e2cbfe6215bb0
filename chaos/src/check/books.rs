//! Dead letters and logs: exactly what the scenario explains.

use std::collections::{BTreeSet, HashMap};

use super::Expected;
use super::store::{Letter, Row};

/// Every letter is explained: by poison, by a gateway that gave no verdict, by an order that was broken;
/// and all the poison is there.
pub(super) fn letters(
    rows: &[Row],
    letters: &[Letter],
    expected: &Expected,
    violations: &mut Vec<String>,
) {
    let orders: HashMap<String, &Row> =
        rows.iter().map(|row| (row.order_id.to_string(), row)).collect();
    let poison: BTreeSet<&str> = expected.poison.iter().map(String::as_str).collect();
    let mut parked = BTreeSet::new();
    for letter in letters {
        let message = letter.message_id.as_deref().unwrap_or_default();
        if poison.contains(message) {
            parked.insert(message);
            continue;
        }
        let order = letter.order_id.and_then(|order| orders.get(&order.to_string()));
        let gave_up = order.is_some_and(|row| {
            matches!(row.reason.as_deref(), Some("gateway_unavailable" | "internal"))
        });
        if !gave_up && !expected.letters {
            violations.push(format!(
                "a dead letter nobody explains: {:?} from {}: {}",
                letter.order_id, letter.source, letter.reason
            ));
        }
    }
    for message in poison.difference(&parked) {
        violations.push(format!("the poison {message} is not among the dead letters"));
    }
    for row in rows.iter().filter(|row| row.reason.as_deref() == Some("internal")) {
        if !expected.broken.contains(&row.order_id.to_string()) {
            violations.push(format!("{} was rejected for an inner reason", row.order_id));
        }
    }
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
