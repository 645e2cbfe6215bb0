//! Stock: what was put in is what is left and what orders hold.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    Invariant {
        name: "stock_adds_up",
        says: "A product's stock ledger is what is available and what orders hold.",
        of: Kind::Product,
        takes: Takes::Nothing,
        sql: "\
select s.product_id as id,
  concat('available ', s.available, ', held ', coalesce(h.held, 0), ', ledger ', coalesce(l.total, 0)) as detail
from stock s
left join (
  select product_id, cast(sum(delta) as signed) as total
  from stock_ledger
  group by product_id) l on l.product_id = s.product_id
left join (
  select i.product_id, cast(sum(i.quantity) as signed) as held
  from orders o
  join order_lines i on i.order_id = o.id
  where o.status in ('reserved', 'paid', 'packed', 'shipped', 'delivered')
  group by i.product_id) h on h.product_id = s.product_id
where s.available + coalesce(h.held, 0) <> coalesce(l.total, 0)",
    },
    Invariant {
        name: "products_have_stock",
        says: "Every product has a row of stock, and every row of stock a product.",
        of: Kind::Product,
        takes: Takes::Nothing,
        sql: "\
select p.id as id, 'no row of stock' as detail
from products p
left join stock s on s.product_id = p.id
where s.product_id is null
union all
select s.product_id as id, 'no product' as detail
from stock s
left join products p on p.id = s.product_id
where p.id is null",
    },
    Invariant {
        name: "products_have_initial_stock",
        says: "Every product's stock ledger begins with its initial stock, even if that is none.",
        of: Kind::Product,
        takes: Takes::Nothing,
        sql: "\
select p.id as id, null as detail
from products p
left join stock_ledger l on l.product_id = p.id
where l.id is null",
    },
];
