//! Whole lives of real containers, each test in a machine of its own.

mod connecting;
mod crowd;
mod health;
mod machine;
mod networks;
mod processes;
mod restarts;
mod speed;
mod starts;
