//! Real containers, from the engine's client down to the kernel.

mod confinement;
mod failures;
mod life;
mod machine;
mod speed;
mod stdio;
