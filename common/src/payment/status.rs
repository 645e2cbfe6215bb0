//! Where a payment stands. It ends separately from its order: only a verdict of the gateway or a
//! confirmed void ends it; a timeout or a number of attempts never does.
//!
//! ```text
//! pending -> captured | declined
//! pending | captured -> void_due -> voided
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::db::{Error, Result};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentStatus {
    /// To be charged; perhaps charged already without our knowing.
    Pending,
    /// The gateway captured it.
    Captured,
    /// The gateway declined it.
    Declined,
    /// To be voided, whatever the gateway knows of it.
    VoidDue,
    /// The gateway confirmed the void.
    Voided,
}

impl PaymentStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Captured, Self::Declined, Self::VoidDue, Self::Voided];

    /// The status as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Captured => "captured",
            Self::Declined => "declined",
            Self::VoidDue => "void_due",
            Self::Voided => "voided",
        }
    }

    /// Reads what is stored.
    pub fn read(stored: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == stored)
            .ok_or_else(|| Error::Impossible(format!("a payment with status {stored}")))
    }

    /// Whether the gateway still has to be asked.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Pending | Self::VoidDue)
    }

    /// Whether a cancelled order's payment has to be voided from here.
    pub fn must_be_voided(self) -> bool {
        matches!(self, Self::Pending | Self::Captured)
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
