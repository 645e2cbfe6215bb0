-- What can still be taken, per product. Changed by deltas only: an adjustment writes its row in
-- `stock_ledger` in the same transaction, a reservation or a release is told by the orders themselves.
-- Invariant: sum(stock_ledger.delta) = available + lines of orders that hold stock.
create table stock (
  product_id binary(16) not null,
  available bigint not null,
  primary key (product_id),
  constraint stock_never_negative check (available >= 0)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
