//! Which link a trial breaks, and which way: by its number, so that a few trials meet as much as a few can.

use crate::proxy::{Direction, Proxy};
use crate::scene::Scene;

/// A kind of process, a server, and a direction. Any three trials in a row meet both kinds and both servers, any
/// twelve everything that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aim {
    at_worker: bool,
    to_broker: bool,
    /// Which way.
    pub(super) direction: Direction,
}

impl Aim {
    /// A round of four beside a round of three.
    pub(super) fn of(trial: u32) -> Self {
        Self {
            at_worker: trial.is_multiple_of(2),
            to_broker: trial / 2 % 2 == 1,
            direction: match trial % 3 {
                1 => Direction::ToServer,
                2 => Direction::ToClient,
                _ => Direction::Both,
            },
        }
    }

    /// The same kind's way to the database.
    pub(super) fn to_database(self) -> Self {
        Self { to_broker: false, ..self }
    }

    /// The link; chance chooses the process.
    pub(super) fn proxy<'a>(self, scene: &'a mut Scene<'_>) -> &'a Proxy {
        // Those of the APIs come first.
        let apis = scene.stage.apis.len();
        let place = if self.at_worker {
            apis + scene.dice.below(scene.stage.workers.len())
        } else {
            scene.dice.below(apis)
        };
        let links = &scene.stage.links[place];
        if self.to_broker { &links.broker } else { &links.database }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_trials_meet_both_kinds_and_both_servers_and_twelve_meet_everything() {
        let aims: Vec<Aim> = (1..=24).map(Aim::of).collect();
        let choices: [fn(&Aim) -> bool; 2] = [|aim| aim.at_worker, |aim| aim.to_broker];
        for few in aims.windows(3) {
            for choice in choices {
                let chosen = few.iter().filter(|aim| choice(aim)).count();
                assert!(chosen == 1 || chosen == 2, "{few:?}");
            }
        }
        for round in aims.windows(12) {
            for (place, aim) in round.iter().enumerate() {
                assert!(!round[..place].contains(aim), "{aim:?} comes twice in {round:?}");
            }
        }
    }
}
