-- Messages waiting to leave, written in their cause's transaction. Rows are leased to the process that
-- wrote them; a row whose lease ran out belongs to whoever claims it.
create table outbox (
  id binary(16) not null,
  kind varchar(40) character set ascii collate ascii_bin not null,
  order_id binary(16) not null,
  request_id varchar(128) character set ascii collate ascii_bin not null,
  owner binary(16) not null,
  lease_until datetime(6) not null,
  created_at datetime(6) not null,
  primary key (id),
  key outbox_lease (lease_until)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
