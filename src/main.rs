//! The program: hands over to [`orchestrate::cli`] and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    ExitCode::from(orchestrate::cli::run(&arguments).code())
}
