-- A buyer's orders are read along `checkouts_by_user`, from the moment of their acceptance; no statement walked this.
alter table orders
  drop key orders_by_user;
