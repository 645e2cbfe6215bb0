-- The only store of dead letters: what could not be understood, and what an order gave up on.
create table dead_letters (
  id binary(16) not null,
  message_id varchar(64) character set ascii collate ascii_bin null,
  kind varchar(40) character set ascii collate ascii_bin null,
  order_id binary(16) null,
  source varchar(80) character set ascii collate ascii_bin not null,
  reason varchar(500) character set utf8mb4 collate utf8mb4_general_ci not null,
  body mediumblob not null,
  request_id varchar(128) character set ascii collate ascii_bin null,
  state varchar(16) character set ascii collate ascii_bin not null,
  closed_by varchar(40) character set ascii collate ascii_bin null,
  closed_reason varchar(200) character set utf8mb4 collate utf8mb4_general_ci null,
  closed_at datetime(6) null,
  died_at datetime(6) not null,
  primary key (id),
  key dead_letters_by_state (state, id),
  key dead_letters_by_order (order_id),
  constraint dead_letters_state check (state in ('open', 'redriven', 'discarded'))
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
