//! After the last invoice: every order must end within a minute, and the shop's own lists must hold
//! exactly the orders that the buyers were promised.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::timeout;

use super::buyer::{Running, Stage};
use super::outcome::Outcome;

const LIMIT: Duration = Duration::from_mins(1);
const AT_A_TIME: usize = 16;

/// How the accepted orders ended, by id: status and reason.
pub type Ends = BTreeMap<String, End>;

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct End {
    id: String,
    /// Its status.
    pub status: String,
    /// Why it ended without being paid.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Waits for the orders that still run, then reads the lists of all buyers.
pub async fn recount(stage: &Stage, still_running: Vec<Running>) -> Ends {
    let all = async {
        for mut running in still_running {
            while running.join_next().await.is_some() {}
        }
    };
    // What has not ended by then shows in the lists.
    let _ = timeout(LIMIT, all).await;
    let mut promised: Vec<Vec<String>> = vec![Vec::new(); stage.plan.buyers.len()];
    for (buyer, promises) in promised.iter_mut().enumerate() {
        for place in &stage.plan.buyers[buyer].invoices {
            if let Some(Outcome::Accepted(id)) = stage.outcomes.of(*place) {
                promises.push(id);
            }
        }
    }
    let mut listed = futures::stream::iter(promised.into_iter().enumerate())
        .map(|(buyer, promises)| compare(stage, buyer, promises))
        .buffer_unordered(AT_A_TIME);
    let mut ends = Ends::new();
    while let Some(of_buyer) = listed.next().await {
        ends.extend(of_buyer.into_iter().map(|end| (end.id.clone(), end)));
    }
    ends
}

/// The orders in a buyer's list; one that was promised and is missing is a fault, and so is one that
/// was not promised.
async fn compare(stage: &Stage, buyer: usize, promised: Vec<String>) -> Vec<End> {
    let name = &stage.plan.buyers[buyer].name;
    let listed = stage.opened.buyers[buyer].list::<End>("/v1/orders?limit=100").await;
    let listed = listed.unwrap_or_else(|error| {
        stage.outcomes.fault(format!("the orders of {name} cannot be listed: {error}"));
        Vec::new()
    });
    for id in promised.iter().filter(|id| !listed.iter().any(|end| end.id == **id)) {
        stage.outcomes.fault(format!("order {id} was accepted and is not in the list of {name}"));
    }
    for end in listed.iter().filter(|end| !promised.contains(&end.id)) {
        stage.outcomes.fault(format!("order {} of {name} was never answered", end.id));
    }
    for end in listed.iter().filter(|end| matches!(&*end.status, "accepted" | "reserved")) {
        stage.outcomes.fault(format!("order {} of {name} is still {}", end.id, end.status));
    }
    listed
}
