//! Configuration, HTTP on a unix socket, signals: the Engine API in front of the engine.
