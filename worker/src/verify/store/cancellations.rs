//! Cancellations: decided as the order stands.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "cancelled_orders_were_asked",
        says: "Every cancelled order was cancelled by a request of its buyer or an admin.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, 'no request' as detail
from orders o
left join cancellations c on c.order_id = o.id
where o.status = 'cancelled' and c.order_id is null",
    },
    Invariant {
        name: "cancellations_fit_orders",
        says: "A request to cancel was granted exactly when its order is cancelled.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id,
  concat(coalesce(c.outcome, 'undecided'), ', the order is ', coalesce(o.status, 'accepted')) as detail
from cancellations c
left join orders o on o.id = c.order_id
where (c.outcome <=> 'cancelled') <> (o.status <=> 'cancelled')
  or (c.outcome is not null and o.id is null)",
    },
    Invariant {
        name: "decisions_have_times",
        says: "A request to cancel has the time of its decision exactly when it is decided.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, coalesce(c.outcome, 'undecided') as detail
from cancellations c
where (c.outcome is null) <> (c.decided_at is null)",
    },
    Invariant {
        name: "refused_cancellations_are_told",
        says: "The buyer's history shows every refused request to cancel.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, null as detail
from cancellations c
join orders o on o.id = c.order_id
left join order_history h on h.order_id = c.order_id and h.event = 'cancel_refused'
where c.outcome = 'refused' and h.order_id is null",
    },
];
