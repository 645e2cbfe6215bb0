//! The unfinished: it has a wake-up, it ends within the limit, and what has ended sleeps.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "checkouts_wake_until_consumed",
        says: "A checkout has a wake-up exactly while it waits to be consumed.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, if(c.wake_at is null, 'waiting without a wake-up', 'consumed, wakes') as detail
from checkouts c
where (c.consumed_at is null) <> (c.wake_at is not null)",
    },
    Invariant {
        name: "payments_wake_until_ended",
        says: "A payment has a wake-up exactly while it is pending or due to be voided.",
        of: Kind::Payment,
        takes: Takes::Nothing,
        sql: "\
select p.id as id, concat(p.status, if(p.wake_at is null, ' without a wake-up', ', wakes')) as detail
from payments p
where (p.status in ('pending', 'void_due')) <> (p.wake_at is not null)",
    },
    Invariant {
        name: "cancellations_wake_until_decided",
        says: "A request to cancel has a wake-up exactly while it is undecided.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, if(c.wake_at is null, 'undecided without a wake-up', 'decided, wakes') as detail
from cancellations c
where (c.outcome is null) <> (c.wake_at is not null)",
    },
    Invariant {
        name: "messages_leave",
        says: "No message waits in the outbox for longer than the limit.",
        of: Kind::Message,
        takes: Takes::Limit,
        sql: "\
select m.id as id, concat(m.kind, ' of ', m.created_at) as detail
from outbox m
where m.created_at < now(6) - interval ? second",
    },
    Invariant {
        name: "checkouts_are_handled",
        says: "No checkout waits to be consumed for longer than the limit.",
        of: Kind::Order,
        takes: Takes::Limit,
        sql: "\
select c.order_id as id, concat('accepted ', c.accepted_at) as detail
from checkouts c
where c.consumed_at is null and c.accepted_at < now(6) - interval ? second",
    },
    Invariant {
        name: "payments_end",
        says: "No payment is pending, or due to be voided, for longer than the limit.",
        of: Kind::Payment,
        takes: Takes::Limit,
        // A void became due when its order was cancelled or failed, however old the payment is.
        sql: "\
select p.id as id, concat(p.status, ' since ', coalesce(max(h.at), p.created_at)) as detail
from payments p
left join order_history h on h.order_id = p.order_id
  and p.status = 'void_due'
  and h.event in ('cancelled', 'payment_failed')
where p.status in ('pending', 'void_due')
group by p.id, p.status, p.created_at
having coalesce(max(h.at), p.created_at) < now(6) - interval ? second",
    },
    Invariant {
        name: "cancellations_are_decided",
        says: "No request to cancel is undecided for longer than the limit.",
        of: Kind::Order,
        takes: Takes::Limit,
        sql: "\
select c.order_id as id, concat('asked ', c.requested_at) as detail
from cancellations c
where c.outcome is null and c.requested_at < now(6) - interval ? second",
    },
];
