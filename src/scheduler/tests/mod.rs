//! Tests of the scheduler as a whole, on simulated time.

mod builder;
mod judge_table;
mod ladder_table;
mod model;
mod plans;
mod promises;
mod speed;
mod stories;
mod world;
