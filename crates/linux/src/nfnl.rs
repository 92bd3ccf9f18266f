//! nf_tables over netlink: tables, chains, rules, sets, maps and elements, one transaction per batch.
