//! What the kernel holds and should hold, in words.

mod difference;
mod rules;

pub use self::{
    difference::{Difference, Differs, differences},
    rules::{NetworkRules, Part, commented, network_rules, purpose},
};
