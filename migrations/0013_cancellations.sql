-- A wish to cancel, decided by a worker exactly once. `outcome` and `decided_at` are null until then.
create table cancellations (
  order_id binary(16) not null,
  requested_by varchar(40) character set ascii collate ascii_bin not null,
  reason varchar(200) character set utf8mb4 collate utf8mb4_general_ci null,
  request_id varchar(128) character set ascii collate ascii_bin not null,
  requested_at datetime(6) not null,
  outcome varchar(16) character set ascii collate ascii_bin null,
  decided_at datetime(6) null,
  attempts int not null default 0,
  wakes int not null default 0,
  wake_at datetime(6) null,
  primary key (order_id),
  key cancellations_wake (wake_at),
  constraint cancellations_outcome check (outcome in ('cancelled', 'refused'))
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
