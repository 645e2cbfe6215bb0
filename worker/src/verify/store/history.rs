//! Histories: an order's life as its buyer sees it, move by move.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "histories_have_no_gaps",
        says: "An order's history has the versions 1, 2, 3 and so on.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id,
  concat(coalesce(h.entries, 0), ' entries up to version ', coalesce(h.last, 0)) as detail
from orders o
left join (
  select order_id, count(*) as entries, min(version) as first, max(version) as last
  from order_history
  group by order_id) h on h.order_id = o.id
where h.order_id is null or h.first <> 1 or h.last <> h.entries",
    },
    Invariant {
        name: "histories_begin_accepted",
        says: "The first entry of a history is the acceptance, and no other is.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select h.order_id as id, concat('version ', h.version, ' is ', h.event) as detail
from order_history h
where (h.version = 1) <> (h.status = 'accepted' and h.event = 'accepted')",
    },
    Invariant {
        name: "histories_follow_the_moves",
        says: "Each entry follows from the one before by an allowed move, or refuses to cancel.",
        of: Kind::Order,
        takes: Takes::Moves,
        sql: "\
select h.order_id as id,
  concat('version ', h.version, ': ', b.status, ' to ', h.status, ', event ', h.event) as detail
from order_history h
join order_history b on b.order_id = h.order_id and b.version = h.version - 1
left join json_table(?, '$[*]' columns (
  `from` varchar(16) character set ascii collate ascii_bin path '$.from',
  `to` varchar(16) character set ascii collate ascii_bin path '$.to')) m
  on m.`from` = b.status and m.`to` = h.status
where h.status <> 'accepted'
  and not (m.`to` is not null and h.event = h.status)
  and not (h.event = 'cancel_refused' and h.status = b.status)",
    },
    Invariant {
        name: "histories_end_at_orders",
        says: "The last entry of a history is where the order stands, in status and version.",
        of: Kind::Order,
        takes: Takes::Nothing,
        sql: "\
select o.id as id,
  concat(o.status, ' version ', o.version, ', history ', h.status, ' version ', h.version) as detail
from orders o
join (
  select order_id, max(version) as last
  from order_history
  group by order_id) l on l.order_id = o.id
join order_history h on h.order_id = l.order_id and h.version = l.last
where h.version <> o.version or h.status <> o.status",
    },
];
