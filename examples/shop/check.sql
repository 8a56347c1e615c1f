-- SPDX-License-Identifier: BSD-2-Clause
-- The shop's own questions after a restore: each must return no row.
select number from orders left join payments on order_number = number where order_number is null;
select number from orders join payments on order_number = number where payments.cents <> orders.cents;
select customer from orders group by customer having sum(cents) <= 0;
