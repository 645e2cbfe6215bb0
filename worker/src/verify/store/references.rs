//! References: the pipeline's tables have no foreign keys, because those would lock across the lock order.

use crate::verify::invariant::{Invariant, Kind, Takes};

pub(super) const ALL: &[Invariant] = &[
    refer(
        "lines_have_orders",
        "Every line belongs to an order.",
        Kind::Order,
        "\
select distinct l.order_id as id, null as detail
from order_lines l
left join orders o on o.id = l.order_id
where o.id is null",
    ),
    refer(
        "lines_have_products",
        "Every line of an order names a product.",
        Kind::Order,
        "\
select distinct l.order_id as id, l.sku as detail
from order_lines l
left join products p on p.id = l.product_id
where p.id is null",
    ),
    refer(
        "payments_have_orders",
        "Every payment belongs to an order.",
        Kind::Payment,
        "\
select p.id as id, p.status as detail
from payments p
left join orders o on o.id = p.order_id
where o.id is null",
    ),
    refer(
        "attempts_have_payments",
        "Every attempt belongs to a payment.",
        Kind::Payment,
        "\
select distinct a.payment_id as id, null as detail
from payment_attempts a
left join payments p on p.id = a.payment_id
where p.id is null",
    ),
    refer(
        "histories_have_orders",
        "Every history belongs to an order.",
        Kind::Order,
        "\
select distinct h.order_id as id, null as detail
from order_history h
left join orders o on o.id = h.order_id
where o.id is null",
    ),
    refer(
        "cancellations_have_checkouts",
        "Every request to cancel names a checkout.",
        Kind::Order,
        "\
select x.order_id as id, null as detail
from cancellations x
left join checkouts c on c.order_id = x.order_id
where c.order_id is null",
    ),
    refer(
        "messages_have_checkouts",
        "Every message in the outbox names a checkout.",
        Kind::Message,
        "\
select m.id as id, m.kind as detail
from outbox m
left join checkouts c on c.order_id = m.order_id
where c.order_id is null",
    ),
    refer(
        "checkouts_have_users",
        "Every checkout has a buyer.",
        Kind::Order,
        "\
select c.order_id as id, null as detail
from checkouts c
left join users u on u.id = c.user_id
where u.id is null",
    ),
    refer(
        "users_have_carts",
        "Every user has a cart, and every cart a user.",
        Kind::User,
        "\
select u.id as id, 'no cart' as detail
from users u
left join carts c on c.user_id = u.id
where c.user_id is null
union all
select c.user_id as id, 'no user' as detail
from carts c
left join users u on u.id = c.user_id
where u.id is null",
    ),
    refer(
        "last_orders_have_checkouts",
        "The last order that a cart remembers was a checkout of its user.",
        Kind::User,
        "\
select c.user_id as id, null as detail
from carts c
left join checkouts k on k.order_id = c.last_order and k.user_id = c.user_id
where c.last_order is not null and k.order_id is null",
    ),
    refer(
        "cart_lines_have_carts",
        "Every line of a cart belongs to a cart.",
        Kind::User,
        "\
select distinct l.user_id as id, null as detail
from cart_lines l
left join carts c on c.user_id = l.user_id
where c.user_id is null",
    ),
    refer(
        "cart_lines_have_products",
        "Every line of a cart names a product.",
        Kind::User,
        "\
select distinct l.user_id as id, null as detail
from cart_lines l
left join products p on p.id = l.product_id
where p.id is null",
    ),
    refer(
        "stock_ledgers_have_products",
        "Every row of the stock ledger names a product.",
        Kind::Product,
        "\
select distinct l.product_id as id, null as detail
from stock_ledger l
left join products p on p.id = l.product_id
where p.id is null",
    ),
];

const fn refer(name: &'static str, says: &'static str, of: Kind, sql: &'static str) -> Invariant {
    Invariant { name, says, of, takes: Takes::Nothing, sql }
}
