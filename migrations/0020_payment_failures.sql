-- Failures to write a payment's outcome are counted apart from its attempts, which are calls without a verdict:
-- those give an order up, these only tell somebody.
alter table payments
  add column failures int not null default 0 after attempts;
