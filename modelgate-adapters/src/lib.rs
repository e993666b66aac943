//! ModelGate's technology: SQLite, upstream HTTP, limits in the process, the system's clock and randomness.

pub mod backend;
pub mod limiter;
pub mod sealer;
pub mod sql;
pub mod system;
