-- Accounts. The e-mail is stored trimmed and lower-cased, so the unique key is the account's identity.
create table users (
  id binary(16) not null,
  email varchar(254) character set utf8mb4 collate utf8mb4_bin not null,
  password_hash varchar(72) character set ascii collate ascii_bin not null,
  role varchar(16) character set ascii collate ascii_bin not null,
  created_at datetime(6) not null,
  primary key (id),
  unique key users_email (email),
  constraint users_role check (role in ('user', 'admin'))
) engine = innodb default character set utf8mb4 collate utf8mb4_general_ci;
