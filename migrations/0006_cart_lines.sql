-- `price` is what the buyer saw when the line was last set; accepting charges the product's price of that moment.
create table cart_lines (
  user_id binary(16) not null,
  product_id binary(16) not null,
  quantity int not null,
  price bigint not null,
  added_at datetime(6) not null,
  primary key (user_id, product_id),
  constraint cart_lines_quantity check (quantity between 1 and 1000000)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
