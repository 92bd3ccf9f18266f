//! System call filters: OCI profiles compiled to BPF, and their installation.
