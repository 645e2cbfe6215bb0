-- A message is parked once: whether it is there is asked by its id. Nothing asks by order.
alter table dead_letters
  add key dead_letters_by_message (message_id),
  drop key dead_letters_by_order;
