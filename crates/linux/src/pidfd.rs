//! Processes held by descriptors: signals without reused pids, waiting by poll.
