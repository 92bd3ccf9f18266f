//! Where cgroup controllers are mounted (v1, hybrid, v2) and the files of one group.
