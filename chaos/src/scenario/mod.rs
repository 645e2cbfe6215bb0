//! Every scenario, on one page. What breaks is one file each.

mod aim;
mod backlog;
mod clock;
mod crash;
mod freeze;
mod gateway;
mod handler;
mod kill;
mod link;
mod logs;
mod message;
mod outage;
mod overtake;
mod permanent;
mod point;
mod queue;
mod race;
mod redrive;
mod rolling;
mod row;
mod soak;

use anyhow::Result;

use crate::scene::{Scenario, Scene};

/// The scenarios in the order in which they are played.
pub fn all() -> Vec<Scenario> {
    let rooms = [
        kill::all(),
        crash::all(),
        overtake::all(),
        outage::all(),
        link::all(),
        freeze::all(),
        race::all(),
        message::all(),
        handler::all(),
        redrive::all(),
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

/// Takes back what a trial that failed halfway may have left: how the gateway and the servers behave.
pub(crate) async fn undo(scene: &mut Scene<'_>) -> Result<()> {
    if scene.stage.gateway.is_alive() {
        gateway::behave(scene, "{}").await?;
    }
    outage::undo(scene).await
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
