//! The Docker Engine API as types: requests, answers, filters, versions, stream frames.
