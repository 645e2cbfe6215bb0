-- Exactly one payment for an order that took stock, for life; its id is the gateway's key for every attempt.
-- It ends only by a verdict of the gateway or a confirmed void. `owner` may call the gateway until `lease_until`.
create table payments (
  id binary(16) not null,
  order_id binary(16) not null,
  status varchar(16) character set ascii collate ascii_bin not null,
  method varchar(64) character set ascii collate ascii_bin not null,
  amount bigint not null,
  decline_reason varchar(64) character set ascii collate ascii_bin null,
  attempts int not null default 0,
  owner binary(16) null,
  lease_until datetime(6) null,
  wakes int not null default 0,
  wake_at datetime(6) null,
  created_at datetime(6) not null,
  updated_at datetime(6) not null,
  primary key (id),
  unique key payments_order (order_id),
  key payments_wake (wake_at),
  constraint payments_status check (status in ('pending', 'captured', 'declined', 'void_due', 'voided'))
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
