-- The log of calls to the gateway that ended without a verdict; the verdicts are in `payments`.
create table payment_attempts (
  payment_id binary(16) not null,
  attempt int not null,
  call_kind varchar(8) character set ascii collate ascii_bin not null,
  outcome varchar(64) character set ascii collate ascii_bin not null,
  at datetime(6) not null,
  primary key (payment_id, attempt)
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
