//! The ledger's lines, and what they say about each payment. Reading takes no lock: a line counts once its
//! line break is there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::id::PaymentId;
use crate::money::Currency;
use crate::trace::RequestId;

/// What was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Capture the amount.
    Charge,
    /// Undo and forbid the capture.
    Void,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The amount is captured.
    Captured,
    /// It will never be.
    Declined,
    /// What was captured is given back; nothing will be captured.
    Voided,
    /// No answer and no capture.
    TimedOut,
    /// Refused without a verdict.
    Unavailable,
    /// A slow charge began to wait; its end has a line of its own, marked `late`.
    Waiting,
}

/// One call, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The writer's time, RFC 3339.
    pub at: String,
    /// What was called.
    pub op: Op,
    /// The payment.
    pub key: PaymentId,
    /// Minor units; of charges only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// The amount's currency; of charges only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What it came to.
    pub outcome: Outcome,
    /// Why it was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The answer repeats what an earlier line decided; nothing was done.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// Decided, but the caller got no answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unanswered: bool,
    /// The end of a call that has a `waiting` line.
    #[serde(default, skip_serializing_if = "is_false")]
    pub late: bool,
    /// The process that wrote it: the worker that called, or the gateway that it called.
    pub worker: String,
    /// The request that the order came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

/// What the ledger says about one payment. Repeated answers count as calls and as nothing else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// How often it was called, with any outcome.
    pub calls: u32,
    /// How often money was captured: once at most.
    pub captured: u32,
    /// What was captured, in minor units.
    pub amount: i64,
    /// How often it was declined: once at most.
    pub declined: u32,
    /// How often it was voided: once at most.
    pub voided: u32,
    /// Money was captured after the void.
    pub captured_after_void: bool,
}

impl Account {
    /// Whether the money is ours as things stand.
    pub fn holds_money(&self) -> bool {
        self.captured > 0 && (self.voided == 0 || self.captured_after_void)
    }

    fn add(&mut self, line: &Line) {
        self.calls += u32::from(!line.late);
        if line.replayed {
            return;
        }
        match line.outcome {
            Outcome::Captured => {
                self.captured += 1;
                self.amount = self.amount.saturating_add(line.amount.unwrap_or(0));
                self.captured_after_void |= self.voided > 0;
            }
            Outcome::Declined => self.declined += 1,
            Outcome::Voided => self.voided += 1,
            Outcome::TimedOut | Outcome::Unavailable | Outcome::Waiting => {}
        }
    }
}

/// Reads the whole ledger: each payment that was ever called, with what came of it. A torn last line is
/// left out, as its writer was killed before it answered anybody.
pub fn read(path: &Path) -> io::Result<HashMap<PaymentId, Account>> {
    let mut accounts: HashMap<PaymentId, Account> = HashMap::new();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut text = Vec::new();
    let mut offset = 0;
    while file.read_until(b'\n', &mut text)? > 0 && text.ends_with(b"\n") {
        let line = parse(&text, offset)?;
        accounts.entry(line.key).or_default().add(&line);
        offset += text.len() as u64;
        text.clear();
    }
    Ok(accounts)
}

/// Reads one complete line that begins at this place of the file.
pub(super) fn parse(text: &[u8], offset: u64) -> io::Result<Line> {
    serde_json::from_slice(text).map_err(|error| {
        let what =
            format!("the line at byte {offset} of the payment ledger cannot be read: {error}");
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}
