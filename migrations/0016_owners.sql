-- Who is at work: a row for each running process that takes leases. While it runs it holds the named lock
-- `ordermill.<id>`; a row whose lock nobody holds belongs to a process that is gone, and its leases can end.
create table owners (
  id binary(16) not null,
  role varchar(16) character set ascii collate ascii_bin not null,
  started_at datetime(6) not null,
  primary key (id)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
