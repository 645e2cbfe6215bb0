//! One corruption for each way to break each invariant. `{name}` stands for the id of that story's order.

/// Invariants and what breaks exactly them.
pub(crate) const CORRUPTIONS: &[(&str, &str)] = &[
    ("stock_adds_up", "update stock set available = available + 1 limit 1"),
    ("stock_adds_up", "update stock_ledger set delta = delta - 1 limit 1"),
    (
        "stock_adds_up",
        "insert into stock_ledger select unhex('00'), product_id, 5, '', null, now(6) from stock limit 1",
    ),
    ("products_have_stock", "delete from stock where available = 0"),
    (
        "products_have_stock",
        "insert into stock (product_id, available) values (repeat('x', 16), 0)",
    ),
    ("products_have_initial_stock", "delete from stock_ledger where delta = 0"),
    (
        "consumed_checkouts_are_orders",
        "delete from orders where id = {gone}; delete from order_lines where order_id = {gone}; \
         delete from order_history where order_id = {gone}",
    ),
    (
        "consumed_checkouts_are_orders",
        "update checkouts set consumed_at = now(6), wake_at = null where order_id = {accepted}",
    ),
    (
        "waiting_checkouts_are_no_orders",
        "update checkouts set consumed_at = null, accepted_at = now(6), wake_at = now(6) \
         where order_id = {paid}",
    ),
    ("orders_have_checkouts", "delete from checkouts where order_id = {paid}"),
    ("orders_are_as_accepted", "update orders set user_id = repeat('x', 16) where id = {paid}"),
    (
        "orders_are_as_accepted, order_totals_add_up",
        "update orders set total = total + 1 where id = {short}",
    ),
    (
        "order_totals_add_up, lines_match_snapshot",
        "update order_lines set price = price + 1 where order_id = {paid}",
    ),
    (
        "order_totals_add_up, lines_match_snapshot",
        "delete from order_lines where order_id = {short}",
    ),
    (
        "snapshot_adds_up, orders_are_as_accepted, payments_are_for_orders",
        "update checkouts set total = total + 1 where order_id = {paid}",
    ),
    ("snapshot_adds_up", "update checkouts set total = total + 1 where order_id = {accepted}"),
    ("snapshot_adds_up", "update checkouts set `lines` = 'nonsense' where order_id = {paid}"),
    ("lines_match_snapshot", "update order_lines set name = 'x' where order_id = {paid} limit 1"),
    ("lines_match_snapshot", "update order_lines set sku = 'x' where order_id = {paid} limit 1"),
    (
        "lines_match_snapshot",
        "update order_lines set quantity = quantity * 2, price = price / 2 \
         where order_id = {short} and quantity = 2",
    ),
    ("refusals_have_reasons", "update orders set reason = null where id = {given_up}"),
    ("refusals_have_reasons", "update orders set reason = 'declined' where id = {gone}"),
    ("refusals_have_reasons", "update orders set reason = 'internal' where id = {declined}"),
    ("shortages_are_told", "update orders set shortfall = null where id = {short}"),
    ("shortages_are_told", "update orders set shortfall = '[]' where id = {short}"),
    ("shortages_are_told", "update orders set shortfall = 'nonsense' where id = {short}"),
    ("shortages_are_told", "update orders set shortfall = '[1]' where id = {paid}"),
    (
        "reserved_orders_have_payments",
        "delete a from payment_attempts a join payments p on p.id = a.payment_id where p.order_id = {paid}; \
         delete from payments where order_id = {paid}",
    ),
    (
        "only_reserved_orders_have_payments",
        "update payments set order_id = {short}, method = 'tok_approve' where order_id = {silent_voided}; \
         insert into payments (id, order_id, status, method, amount, created_at, updated_at) \
         select repeat('y', 16), {silent_voided}, status, method, amount, now(6), now(6) \
         from payments where order_id = {short}",
    ),
    ("payments_fit_orders", "update payments set status = 'voided' where order_id = {paid}"),
    ("payments_fit_orders", "update payments set status = 'voided' where order_id = {delivered}"),
    (
        "payments_fit_orders",
        "update payments set status = 'captured', wake_at = null where order_id = {reserved}",
    ),
    (
        "payments_fit_orders",
        "update payments set status = 'captured' where order_id = {cancelled_voided}",
    ),
    (
        "payments_fit_orders",
        "update payments set status = 'captured' where order_id = {silent_voided}",
    ),
    (
        "failures_fit_payments",
        "update orders set reason = 'gateway_unavailable' where id = {declined}",
    ),
    ("failures_fit_payments", "update orders set reason = 'declined' where id = {silent}"),
    ("payments_are_for_orders", "update payments set amount = amount + 1 where order_id = {paid}"),
    (
        "payments_are_for_orders",
        "update payments set method = 'tok_timeout' where order_id = {paid}",
    ),
    (
        "declines_have_reasons",
        "update payments set decline_reason = null where order_id = {declined}",
    ),
    ("declines_have_reasons", "update payments set decline_reason = 'x' where order_id = {paid}"),
    (
        "histories_have_no_gaps",
        "delete from order_history where order_id = {shipped} and version = 3",
    ),
    ("histories_have_no_gaps", "delete from order_history where order_id = {short}"),
    (
        "histories_have_no_gaps",
        "update order_history set version = version + 1 where order_id = {short} and version = 2; \
         update orders set version = 3 where id = {short}",
    ),
    (
        "histories_begin_accepted",
        "update order_history set event = 'paid' where order_id = {short} and version = 1",
    ),
    (
        "histories_follow_the_moves",
        "update order_history set event = 'paid' where order_id = {delivered} and version = 4",
    ),
    (
        "histories_follow_the_moves",
        "update order_history set status = 'shipped', event = 'shipped' \
         where order_id = {delivered} and version = 4",
    ),
    (
        "histories_follow_the_moves",
        "update order_history set event = 'shipped' where order_id = {too_late} and version = 6; \
         insert into order_history select order_id, 7, status, 'cancel_refused', actor, null, now(6) \
         from order_history where order_id = {too_late} and version = 6; \
         update orders set version = 7 where id = {too_late}",
    ),
    ("histories_end_at_orders", "update orders set version = version + 1 where id = {paid}"),
    ("histories_end_at_orders", "update orders set status = 'packed' where id = {paid}"),
    (
        "histories_end_at_orders",
        "delete from order_history where order_id = {delivered} and version = 6",
    ),
    (
        "cancelled_orders_were_asked, cancellations_have_checkouts",
        "update cancellations set order_id = repeat('x', 16), outcome = null, decided_at = null, requested_at = now(6), wake_at = now(6) where order_id = {cancelled_first}",
    ),
    ("cancelled_orders_were_asked", "delete from cancellations where order_id = {cancelled}"),
    (
        "cancellations_fit_orders",
        "update cancellations set outcome = 'cancelled' where order_id = {too_late}",
    ),
    (
        "cancellations_fit_orders",
        "update cancellations set outcome = null, decided_at = null, requested_at = now(6), wake_at = now(6) \
         where order_id = {cancelled}",
    ),
    (
        "cancellations_fit_orders",
        "update cancellations set outcome = 'cancelled', decided_at = now(6), wake_at = null \
         where order_id = {cancelling}",
    ),
    (
        "decisions_have_times",
        "update cancellations set decided_at = null where order_id = {too_late}",
    ),
    (
        "decisions_have_times",
        "update cancellations set decided_at = now(6) where order_id = {cancelling}",
    ),
    (
        "refused_cancellations_are_told",
        "delete from order_history where order_id = {too_late} and version = 6; \
         update orders set version = 5 where id = {too_late}",
    ),
    (
        "lines_have_orders",
        "insert into order_lines select repeat('x', 16), product_id, sku, name, quantity, price from order_lines limit 1",
    ),
    (
        "lines_have_products",
        "delete from cart_lines; delete p from products p join stock s on s.product_id = p.id \
         where s.available > 0; delete from stock where available > 0; delete from stock_ledger where delta > 0",
    ),
    (
        "payments_have_orders",
        "insert into payments (id, order_id, status, method, amount, created_at, updated_at) \
         select repeat('x', 16), repeat('x', 16), status, method, amount, now(6), now(6) \
         from payments where order_id = {paid}",
    ),
    ("attempts_have_payments", "update payment_attempts set payment_id = repeat('x', 16) limit 1"),
    (
        "histories_have_orders",
        "insert into order_history select repeat('x', 16), version, status, event, actor, null, now(6) from order_history where order_id = {short}",
    ),
    (
        "cancellations_have_checkouts",
        "update cancellations set order_id = repeat('x', 16) where order_id = {cancelling}",
    ),
    ("messages_have_checkouts", "update outbox set order_id = repeat('x', 16)"),
    (
        "checkouts_have_users",
        "update checkouts set user_id = repeat('x', 16) where order_id = {cancelling}",
    ),
    ("users_have_carts, cart_lines_have_carts", "delete from carts"),
    ("users_have_carts", "delete from cart_lines; delete from carts"),
    ("users_have_carts", "insert into carts (user_id, version) values (repeat('x', 16), 1)"),
    ("last_orders_have_checkouts", "update carts set last_order = repeat('x', 16)"),
    ("cart_lines_have_carts", "update cart_lines set user_id = repeat('x', 16)"),
    ("cart_lines_have_products", "update cart_lines set product_id = repeat('x', 16)"),
    (
        "stock_ledgers_have_products",
        "insert into stock_ledger values (repeat('x', 16), repeat('x', 16), 5, '', null, now(6))",
    ),
    (
        "checkouts_wake_until_consumed",
        "update checkouts set wake_at = null where order_id = {accepted}",
    ),
    (
        "checkouts_wake_until_consumed",
        "update checkouts set wake_at = now(6) where order_id = {paid}",
    ),
    ("payments_wake_until_ended", "update payments set wake_at = null where order_id = {reserved}"),
    ("payments_wake_until_ended", "update payments set wake_at = null where order_id = {silent}"),
    (
        "payments_wake_until_ended",
        "update payments set wake_at = now(6) where order_id = {cancelled_voided}",
    ),
    (
        "cancellations_wake_until_decided",
        "update cancellations set wake_at = null where order_id = {cancelling}",
    ),
    (
        "cancellations_wake_until_decided",
        "update cancellations set wake_at = now(6) where order_id = {too_late}",
    ),
    ("messages_leave", "update outbox set created_at = now(6) - interval 61 second"),
    (
        "checkouts_are_handled",
        "update checkouts set accepted_at = now(6) - interval 61 second where order_id = {accepted}",
    ),
    (
        "payments_end",
        "update payments set created_at = now(6) - interval 61 second where order_id = {reserved}",
    ),
    (
        "payments_end",
        "update order_history set at = now(6) - interval 61 second where order_id = {silent}",
    ),
    (
        "payments_end",
        "update order_history set at = now(6) - interval 61 second where order_id = {cancelled}",
    ),
    (
        "cancellations_are_decided",
        "update cancellations set requested_at = now(6) - interval 61 second where order_id = {cancelling}",
    ),
];
