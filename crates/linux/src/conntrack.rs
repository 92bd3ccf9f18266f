//! Connection tracking over ctnetlink: deleting entries by exact tuple.
