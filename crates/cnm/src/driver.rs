//! Drivers: functions from networks and endpoints to kernel objects.

pub mod bridge;
