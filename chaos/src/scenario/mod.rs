//! Every scenario, on one page. What breaks is one file each.

mod backlog;
mod clock;
mod crash;
mod freeze;
mod gateway;
mod kill;
mod link;
mod message;
mod outage;
mod permanent;
mod queue;
mod rolling;
mod row;
mod soak;

use crate::scene::Scenario;

/// The scenarios in the order in which they are played.
pub fn all() -> Vec<Scenario> {
    let rooms = [
        kill::all(),
        crash::all(),
        outage::all(),
        link::all(),
        freeze::all(),
        message::all(),
        queue::all(),
        row::all(),
        clock::all(),
        gateway::all(),
        permanent::all(),
        rolling::all(),
        backlog::all(),
        soak::all(),
    ];
    rooms.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::all;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all().iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), all().len());
    }
}
