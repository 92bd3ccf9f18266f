//! Containers, exec, volumes, events: the life cycles that tie networks, images and processes together.
