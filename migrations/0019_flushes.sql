-- Rows that are gone before their transaction ends: writing them makes its commit wait for the disk.
create table flushes (
  session bigint unsigned not null,
  primary key (session)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
