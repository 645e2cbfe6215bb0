-- What can be bought. Deleted products keep their row: old orders name them, and they can be restored.
-- How many are left is in `stock`, so that an edit of a description never waits for a sale.
create table products (
  id binary(16) not null,
  sku varchar(64) character set ascii collate ascii_bin not null,
  name varchar(200) character set utf8mb4 collate utf8mb4_general_ci not null,
  description varchar(4000) character set utf8mb4 collate utf8mb4_general_ci not null,
  price bigint not null,
  version bigint not null,
  created_at datetime(6) not null,
  updated_at datetime(6) not null,
  deleted_at datetime(6) null,
  primary key (id),
  unique key products_sku (sku),
  key products_by_price (price, id),
  key products_by_name (name, id),
  constraint products_price check (price between 0 and 1000000000000)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
