-- Every adjustment ever made, the initial stock first. Rows are only inserted.
create table stock_ledger (
  id binary(16) not null,
  product_id binary(16) not null,
  delta bigint not null,
  reason varchar(200) character set utf8mb4 collate utf8mb4_general_ci not null,
  adjusted_by binary(16) null,
  adjusted_at datetime(6) not null,
  primary key (id),
  key stock_ledger_by_product (product_id, id)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
