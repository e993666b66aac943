//! The program `modelgate-cli`: the same as `modelgate`, for administration only.

fn main() -> std::process::ExitCode {
    modelgate::run(
        modelgate::Program::AdminOnly,
        &std::env::args_os().skip(1).collect::<Vec<_>>(),
    )
}
