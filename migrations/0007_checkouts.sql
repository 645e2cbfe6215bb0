-- The accepted request, kept as long as its order. `wake_at` is null once a worker has consumed it.
create table checkouts (
  order_id binary(16) not null,
  user_id binary(16) not null,
  idempotency_key varchar(202) character set ascii collate ascii_bin not null,
  fingerprint binary(32) not null,
  payment_method varchar(64) character set ascii collate ascii_bin not null,
  `lines` mediumtext character set utf8mb4 collate utf8mb4_bin not null,
  total bigint not null,
  request_id varchar(128) character set ascii collate ascii_bin not null,
  accepted_at datetime(6) not null,
  consumed_at datetime(6) null,
  attempts int not null default 0,
  wakes int not null default 0,
  wake_at datetime(6) null,
  primary key (order_id),
  unique key checkouts_key (user_id, idempotency_key),
  key checkouts_wake (wake_at),
  key checkouts_by_user (user_id, order_id)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
