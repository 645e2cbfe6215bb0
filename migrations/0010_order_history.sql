-- One row for each change that a buyer can see; the version counts them. Rows are only inserted.
create table order_history (
  order_id binary(16) not null,
  version bigint not null,
  status varchar(16) character set ascii collate ascii_bin not null,
  event varchar(24) character set ascii collate ascii_bin not null,
  actor varchar(40) character set ascii collate ascii_bin not null,
  reason varchar(200) character set utf8mb4 collate utf8mb4_general_ci null,
  at datetime(6) not null,
  primary key (order_id, version)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
