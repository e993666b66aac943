//! The program `modelgate`: arguments in, exit code out.

use std::ffi::OsString;
use std::process::ExitCode;

use modelgate::Program;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    modelgate::run(Program::Whole, &arguments)
}
