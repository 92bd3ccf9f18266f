//! Network namespaces: created, kept by a bind mount, entered on a thread that ends there.
