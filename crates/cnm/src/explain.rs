//! What the kernel holds and should hold, in words.

mod difference;
mod exposure;
mod rules;

pub use self::{
    difference::{Difference, Differs, differences},
    exposure::{Audience, Exposure, PublishedPorts, exposures},
    rules::{NetworkRules, Part, commented, network_rules, purpose},
};
