-- What a worker made of a checkout, and its life. The row guards its lines, its payment and its history.
-- No foreign keys between the pipeline's tables: they would lock across the lock order. `verify` checks them.
create table orders (
  id binary(16) not null,
  user_id binary(16) not null,
  status varchar(16) character set ascii collate ascii_bin not null,
  reason varchar(32) character set ascii collate ascii_bin null,
  shortfall mediumtext character set utf8mb4 collate utf8mb4_bin null,
  total bigint not null,
  version bigint not null,
  created_at datetime(6) not null,
  updated_at datetime(6) not null,
  primary key (id),
  key orders_by_user (user_id, id),
  key orders_by_status (status, id),
  constraint orders_status check (status in
    ('reserved', 'paid', 'packed', 'shipped', 'delivered', 'rejected', 'payment_failed', 'cancelled'))
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
