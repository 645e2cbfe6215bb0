-- Snapshots: what was bought, as it was called and priced when it was accepted.
create table order_lines (
  order_id binary(16) not null,
  product_id binary(16) not null,
  sku varchar(64) character set ascii collate ascii_bin not null,
  name varchar(200) character set utf8mb4 collate utf8mb4_general_ci not null,
  quantity int not null,
  price bigint not null,
  primary key (order_id, product_id),
  key order_lines_by_product (product_id, order_id),
  constraint order_lines_quantity check (quantity between 1 and 1000000)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
