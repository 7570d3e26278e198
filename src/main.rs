//! The program: hands over to [`orchestrate::cli`] and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(orchestrate::cli::run(std::env::args_os().collect()).code())
}
