//! Which of the places that the model is meant to reach it has reached, and how often.

/// Counted over any number of lives.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sights {
    pub(crate) paid: u64,
    pub(crate) declined: u64,
    pub(crate) short: u64,
    pub(crate) given_up: u64,
    pub(crate) cancelled_before_reserve: u64,
    pub(crate) cancelled_while_pending: u64,
    pub(crate) cancelled_after_capture: u64,
    pub(crate) cancelled_by_settle: u64,
    pub(crate) cancel_refused: u64,
    pub(crate) two_calls_of_one_key: u64,
    pub(crate) charge_after_void: u64,
    pub(crate) crash_before_settle: u64,
    pub(crate) late_settle: u64,
    pub(crate) lease_held: u64,
    pub(crate) breaker_open: u64,
    pub(crate) delivered: u64,
}

impl Sights {
    pub(crate) fn add(&mut self, other: Self) {
        let theirs = other.named();
        for ((_, mine), (_, more)) in self.fields().into_iter().zip(theirs) {
            *mine += more;
        }
    }

    /// What was never seen.
    pub(crate) fn missing(self) -> Vec<&'static str> {
        self.named().into_iter().filter(|(_, seen)| *seen == 0).map(|(name, _)| name).collect()
    }

    fn named(mut self) -> Vec<(&'static str, u64)> {
        self.fields().into_iter().map(|(name, seen)| (name, *seen)).collect()
    }

    fn fields(&mut self) -> [(&'static str, &mut u64); 16] {
        [
            ("paid", &mut self.paid),
            ("declined", &mut self.declined),
            ("short", &mut self.short),
            ("given up", &mut self.given_up),
            ("cancelled before reserve", &mut self.cancelled_before_reserve),
            ("cancelled while pending", &mut self.cancelled_while_pending),
            ("cancelled after capture", &mut self.cancelled_after_capture),
            ("cancelled by settle", &mut self.cancelled_by_settle),
            ("cancel refused", &mut self.cancel_refused),
            ("two calls of one key", &mut self.two_calls_of_one_key),
            ("charge after void", &mut self.charge_after_void),
            ("crash before settle", &mut self.crash_before_settle),
            ("late settle", &mut self.late_settle),
            ("lease held", &mut self.lease_held),
            ("breaker open", &mut self.breaker_open),
            ("delivered", &mut self.delivered),
        ]
    }
}
