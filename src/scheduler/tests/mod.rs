//! Tests of the scheduler as a whole, on simulated time.

mod answered_table;
mod bill_table;
mod builder;
mod crashes;
mod judge_table;
mod ladder_table;
mod model;
mod money;
mod order_and_checks;
mod pace_table;
mod payment_table;
mod plans;
mod promises;
mod rungs_table;
mod session_table;
mod speed;
mod stories;
mod world;
