//! The real programs from a terminal's side: how they start and stop, what they say, and their exit codes.

mod commands;
mod running;
mod start;
mod stop;
