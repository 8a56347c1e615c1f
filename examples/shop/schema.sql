-- SPDX-License-Identifier: BSD-2-Clause
-- A small shop: an order and its payment are one transaction.
create table orders (
    number bigint primary key, -- chosen by the shop, not by the database
    customer text not null,
    article text not null,
    cents bigint not null check (cents > 0),
    placed timestamptz not null default clock_timestamp()
);
create index on orders (customer);
create table payments (
    order_number bigint primary key references orders,
    cents bigint not null,
    paid timestamptz not null default clock_timestamp()
);
