//! The program: hands over to [`orchestrate::cli`] and exits with its code.

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    let code = orchestrate::cli::run(&arguments);
    std::process::exit(orchestrate::cli::exit_number(code))
}
