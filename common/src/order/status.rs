//! Where an order stands and how it may move on. The table is data, total over every status and move;
//! a test prints it as a picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where an order stands. `Accepted` lives in `checkouts` only; the others in `orders`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The checkout is stored; no worker has handled it yet.
    Accepted,
    /// Stock is taken, the payment is running.
    Reserved,
    /// The payment is captured.
    Paid,
    /// Packed by an admin.
    Packed,
    /// On its way.
    Shipped,
    /// With the buyer.
    Delivered,
    /// Could not be reserved; nothing was taken.
    Rejected,
    /// Declined, or the gateway gave no verdict; the stock is back.
    PaymentFailed,
    /// Cancelled by the buyer or an admin; the stock is back.
    Cancelled,
}

/// The step between two statuses, named after the fact that causes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// Stock was taken.
    Reserve,
    /// Stock was short, a product is gone, or the order cannot be handled.
    Reject,
    /// The gateway captured the payment.
    Pay,
    /// The gateway declined, or gave no verdict.
    FailPayment,
    /// The buyer or an admin cancels.
    Cancel,
    /// An admin packs.
    Pack,
    /// An admin ships.
    Ship,
    /// An admin confirms the delivery.
    Deliver,
}

/// What a legal move comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// The order moves to this status.
    Now(Status),
    /// It stands there already: a repetition, not a fault.
    Before,
}

/// The move is not allowed from where the order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot become {to}")]
pub struct IllegalMove {
    /// Where the order stands.
    pub from: Status,
    /// Where it was to go.
    pub to: Status,
}

impl Status {
    /// Every status, in the order of an order's life.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::Reserved,
        Self::Paid,
        Self::Packed,
        Self::Shipped,
        Self::Delivered,
        Self::Rejected,
        Self::PaymentFailed,
        Self::Cancelled,
    ];

    /// The status as it is written everywhere: column, JSON, log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Reserved => "reserved",
            Self::Paid => "paid",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::PaymentFailed => "payment_failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tries the move: where it leads, or that it was made before, or that it is not allowed.
    pub fn apply(self, step: Move) -> Result<Applied, IllegalMove> {
        let (from, to) = step.table();
        if self == to {
            Ok(Applied::Before)
        } else if from.contains(&self) {
            Ok(Applied::Now(to))
        } else {
            Err(IllegalMove { from: self, to })
        }
    }

    /// Whether the move leads on from here.
    pub fn may(self, step: Move) -> bool {
        matches!(self.apply(step), Ok(Applied::Now(_)))
    }

    /// The statuses that a buyer can ask for from here.
    pub fn buyer_transitions(self) -> Vec<Self> {
        self.transitions(&[Move::Cancel])
    }

    /// The statuses that an admin can ask for from here.
    pub fn admin_transitions(self) -> Vec<Self> {
        self.transitions(&[Move::Pack, Move::Ship, Move::Deliver, Move::Cancel])
    }

    fn transitions(self, steps: &[Move]) -> Vec<Self> {
        steps.iter().filter(|step| self.may(**step)).map(|step| step.table().1).collect()
    }

    /// Whether an order that stands here holds the stock of its lines.
    pub fn holds_stock(self) -> bool {
        matches!(self, Self::Reserved | Self::Paid | Self::Packed | Self::Shipped | Self::Delivered)
    }
}

impl Move {
    /// Every move.
    pub const ALL: [Self; 8] = [
        Self::Reserve,
        Self::Reject,
        Self::Pay,
        Self::FailPayment,
        Self::Cancel,
        Self::Pack,
        Self::Ship,
        Self::Deliver,
    ];

    /// From which statuses the move leads, and where to.
    pub fn table(self) -> (&'static [Status], Status) {
        match self {
            Self::Reserve => (&[Status::Accepted], Status::Reserved),
            Self::Reject => (&[Status::Accepted], Status::Rejected),
            Self::Pay => (&[Status::Reserved], Status::Paid),
            Self::FailPayment => (&[Status::Reserved], Status::PaymentFailed),
            Self::Cancel => (
                &[Status::Accepted, Status::Reserved, Status::Paid, Status::Packed],
                Status::Cancelled,
            ),
            Self::Pack => (&[Status::Paid], Status::Packed),
            Self::Ship => (&[Status::Packed], Status::Shipped),
            Self::Deliver => (&[Status::Shipped], Status::Delivered),
        }
    }

    /// The move by which an admin brings an order to this status; `None` when no admin can.
    pub fn of_admin(to: Status) -> Option<Self> {
        match to {
            Status::Packed => Some(Self::Pack),
            Status::Shipped => Some(Self::Ship),
            Status::Delivered => Some(Self::Deliver),
            _ => None,
        }
    }
}

/// The text names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a status of an order")]
pub struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(UnknownStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// Every status against every move: `->` leads on, `=` is there already, `.` is not allowed.
    const PICTURE: &str = "\
status          Reserve      Reject       Pay          FailPayment  Cancel       Pack         Ship         Deliver
accepted        ->reserved   ->rejected   .            .            ->cancelled  .            .            .
reserved        =            .            ->paid       ->payment_failed ->cancelled  .            .            .
paid            .            .            =            .            ->cancelled  ->packed     .            .
packed          .            .            .            .            ->cancelled  =            ->shipped    .
shipped         .            .            .            .            .            .            =            ->delivered
delivered       .            .            .            .            .            .            .            =
rejected        .            =            .            .            .            .            .            .
payment_failed  .            .            .            =            .            .            .            .
cancelled       .            .            .            .            =            .            .            .
";

    #[test]
    fn the_moves_look_like_this() {
        let mut picture = format!("{:16}", "status");
        for step in Move::ALL {
            let _ = write!(picture, "{:13}", format!("{step:?}"));
        }
        picture = picture.trim_end().to_owned() + "\n";
        for status in Status::ALL {
            let mut row = format!("{:16}", status.as_str());
            for step in Move::ALL {
                let cell = match status.apply(step) {
                    Ok(Applied::Now(to)) => format!("->{to}"),
                    Ok(Applied::Before) => "=".to_owned(),
                    Err(_) => ".".to_owned(),
                };
                let _ = write!(row, "{cell:12} ");
            }
            picture += &(row.trim_end().to_owned() + "\n");
        }
        assert_eq!(picture, PICTURE, "\n{picture}");
    }

    #[test]
    fn nothing_leads_back_to_accepted_and_settled_orders_never_settle_again() {
        let is_settled = |status| ![Status::Accepted, Status::Reserved].contains(&status);
        for status in Status::ALL {
            for step in Move::ALL {
                if let Ok(Applied::Now(to)) = status.apply(step) {
                    assert_ne!(to, Status::Accepted);
                    assert!(!is_settled(status) || is_settled(to), "{status} {step:?}");
                }
            }
        }
    }

    #[test]
    fn stock_is_held_from_reserved_to_delivered() {
        use Status::{Delivered, Packed, Paid, Reserved, Shipped};
        for status in Status::ALL {
            let holds = [Reserved, Paid, Packed, Shipped, Delivered].contains(&status);
            assert_eq!(status.holds_stock(), holds, "{status}");
        }
    }

    #[test]
    fn buyers_may_cancel_and_admins_may_move_along_as_well() {
        for status in Status::ALL {
            let cancel = status.may(Move::Cancel).then_some(Status::Cancelled);
            assert_eq!(status.buyer_transitions(), Vec::from_iter(cancel), "{status}");
            let next = match status {
                Status::Paid => Some(Status::Packed),
                Status::Packed => Some(Status::Shipped),
                Status::Shipped => Some(Status::Delivered),
                _ => None,
            };
            let admin: Vec<_> = next.into_iter().chain(cancel).collect();
            assert_eq!(status.admin_transitions(), admin, "{status}");
            let step = Move::of_admin(status);
            let by_admin = [Status::Packed, Status::Shipped, Status::Delivered].contains(&status);
            assert_eq!(step.map(|step| step.table().1), by_admin.then_some(status));
        }
    }

    #[test]
    fn a_status_reads_back_as_itself() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("lost".parse::<Status>().is_err());
    }
}
