-- One cart a user, made with the account and never deleted. The version only grows, with every change of a line.
create table carts (
  user_id binary(16) not null,
  version bigint not null,
  last_order binary(16) null,
  primary key (user_id)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
