//! Checkouts and orders: each accepted request becomes one order, as it was accepted.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "consumed_checkouts_are_orders",
        says: "Every checkout that a worker has consumed is an order.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, null as detail
from checkouts c
left join orders o on o.id = c.order_id
where c.consumed_at is not null and o.id is null",
    },
    Invariant {
        name: "waiting_checkouts_are_no_orders",
        says: "No checkout that waits to be consumed is an order already.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select c.order_id as id, concat('an order that is ', o.status) as detail
from checkouts c
join orders o on o.id = c.order_id
where c.consumed_at is null",
    },
    Invariant {
        name: "orders_have_checkouts",
        says: "Every order was a checkout.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, o.status as detail
from orders o
left join checkouts c on c.order_id = o.id
where c.order_id is null",
    },
    Invariant {
        name: "orders_are_as_accepted",
        says: "An order has the buyer and the total of its checkout.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat('total ', o.total, ', accepted ', c.total) as detail
from orders o
join checkouts c on c.order_id = o.id
where o.user_id <> c.user_id or o.total <> c.total",
    },
    Invariant {
        name: "order_totals_add_up",
        says: "An order's total is the sum of its lines.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat('total ', o.total, ', its lines ', coalesce(l.total, 0)) as detail
from orders o
left join (
  select order_id, sum(quantity * price) as total
  from order_lines
  group by order_id) l on l.order_id = o.id
where o.total <> coalesce(l.total, 0)
  and not (o.status = 'rejected' and o.reason <=> 'internal')",
    },
    Invariant {
        name: "refusals_have_reasons",
        says: "A rejected or failed order says why, with a reason of its status.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat(o.status, ', reason ', coalesce(o.reason, 'none')) as detail
from orders o
where (o.status = 'rejected'
    and coalesce(o.reason, '') not in ('out_of_stock', 'product_unavailable', 'internal'))
  or (o.status = 'payment_failed'
    and coalesce(o.reason, '') not in ('declined', 'gateway_unavailable'))",
    },
    Invariant {
        name: "shortages_are_told",
        says: "An order rejected as out of stock says what was short, and only rejected ones do.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id, concat(o.status, ', shortfall ', coalesce(left(o.shortfall, 80), 'none')) as detail
from orders o
where (o.status = 'rejected'
    and o.reason <=> 'out_of_stock'
    and case when json_valid(o.shortfall) then json_length(o.shortfall) else 0 end = 0)
  or (o.status <> 'rejected' and o.shortfall is not null)",
    },
];
