//! The kernel as it should be: one contract for the fake and for Linux, and
//! what happens when somebody breaks things.

mod contract;
mod figures;
mod sabotage;
mod stacked;
mod states;
mod worlds;
