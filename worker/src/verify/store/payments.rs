//! Payments: one for each order that took stock, standing where the order allows.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "reserved_orders_have_payments",
        says: "Every order that was ever reserved has a payment.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, o.status as detail
from order_history h
join orders o on o.id = h.order_id
left join payments p on p.order_id = o.id
where h.event = 'reserved' and p.id is null",
    },
    Invariant {
        name: "only_reserved_orders_have_payments",
        says: "No order that was never reserved has a payment.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat(o.status, ' with a payment ', p.status) as detail
from payments p
join orders o on o.id = p.order_id
left join order_history h on h.order_id = o.id and h.event = 'reserved'
where h.order_id is null",
    },
    Invariant {
        name: "payments_fit_orders",
        says: "A payment stands where its order's status allows.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat(o.status, ' with a payment ', p.status) as detail
from orders o
join payments p on p.order_id = o.id
where not case o.status
  when 'reserved' then p.status = 'pending'
  when 'paid' then p.status = 'captured'
  when 'packed' then p.status = 'captured'
  when 'shipped' then p.status = 'captured'
  when 'delivered' then p.status = 'captured'
  when 'payment_failed' then p.status in ('declined', 'void_due', 'voided')
  when 'cancelled' then p.status in ('declined', 'void_due', 'voided')
  else true end",
    },
    Invariant {
        name: "failures_fit_payments",
        says: "An order failed as declined exactly when its payment was declined.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat(coalesce(o.reason, 'no reason'), ' with a payment ', p.status) as detail
from orders o
join payments p on p.order_id = o.id
where o.status = 'payment_failed'
  and p.status in ('declined', 'void_due', 'voided')
  and ((o.reason <=> 'declined' and p.status <> 'declined')
    or (o.reason <=> 'gateway_unavailable' and p.status = 'declined'))",
    },
    Invariant {
        name: "payments_are_for_orders",
        says: "A payment asks for the order's total, by the checkout's method.",
        of: Kind::Payment,
        takes: Takes::Nothing,
        sql: "\
select p.id as id, concat('amount ', p.amount, ' of an order of ', o.total) as detail
from payments p
join orders o on o.id = p.order_id
join checkouts c on c.order_id = o.id
where p.amount <> c.total or p.method <> c.payment_method",
    },
    Invariant {
        name: "declines_have_reasons",
        says: "A payment has a decline reason exactly when it was declined.",
        of: Kind::Payment,
        takes: Takes::Nothing,
        sql: "\
select p.id as id, concat(p.status, ', reason ', coalesce(p.decline_reason, 'none')) as detail
from payments p
where (p.status = 'declined') <> (p.decline_reason is not null)",
    },
];
