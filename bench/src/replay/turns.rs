//! Whose turn it is. Invoices go roughly in the order in which they were written: one may start while at
//! most so many before it are unfinished. The first unfinished one may always, so nobody waits for ever.

use std::sync::Mutex;

use tokio::sync::watch;

/// The turns of a number of invoices.
#[derive(Debug)]
pub struct Turns {
    finished: Mutex<Vec<bool>>,
    mark: watch::Sender<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// The first unfinished place.
    low: usize,
    /// Places from here on are held back.
    held_from: usize,
}

impl Turns {
    /// Turns for `count` invoices, none held back.
    pub fn new(count: usize) -> Self {
        let mark = watch::Sender::new(Mark { low: 0, held_from: usize::MAX });
        Self { finished: Mutex::new(vec![false; count]), mark }
    }

    /// Waits until fewer than `window` places before this one are unfinished.
    pub async fn wait(&self, place: usize, window: usize) {
        let is_due = |mark: &Mark| place < mark.low + window && place < mark.held_from;
        let mut marks = self.mark.subscribe();
        marks.wait_for(is_due).await.expect("the sender is ours");
    }

    /// Waits until all places before this one are finished.
    pub async fn reached(&self, place: usize) {
        let mut marks = self.mark.subscribe();
        marks.wait_for(|mark| mark.low >= place).await.expect("the sender is ours");
    }

    /// Holds back this place and all after it, until told otherwise.
    pub fn hold_from(&self, place: usize) {
        self.mark.send_modify(|mark| mark.held_from = place);
    }

    /// The place is finished.
    pub fn finish(&self, place: usize) {
        let mut finished = self.finished.lock().expect("nobody panics with the turns in hand");
        finished[place] = true;
        self.mark.send_if_modified(|mark| {
            let before = mark.low;
            while finished.get(mark.low).is_some_and(|is_finished| *is_finished) {
                mark.low += 1;
            }
            mark.low != before
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn is_due(turns: &Turns, place: usize, window: usize) -> bool {
        turns.wait(place, window).now_or_never().is_some()
    }

    #[test]
    fn a_place_is_due_when_few_before_it_are_unfinished() {
        let turns = Turns::new(4);
        assert!(is_due(&turns, 0, 1));
        assert!(is_due(&turns, 1, 2) && !is_due(&turns, 2, 2));
        turns.finish(1);
        assert!(!is_due(&turns, 2, 2), "the first is unfinished");
        turns.finish(0);
        assert!(is_due(&turns, 3, 2));
        assert!(turns.reached(2).now_or_never().is_some());
        assert!(turns.reached(3).now_or_never().is_none());
    }

    #[test]
    fn places_can_be_held_back() {
        let turns = Turns::new(4);
        turns.hold_from(1);
        assert!(is_due(&turns, 0, 4) && !is_due(&turns, 1, 4));
        turns.hold_from(usize::MAX);
        assert!(is_due(&turns, 1, 4));
    }
}
