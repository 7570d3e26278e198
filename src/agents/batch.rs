//! What the scripts of Windows' own shell cannot be given.
//!
//! Such a script is started only where what is behind it is not known. Quotes and percent signs are
//! escaped by what starts the process; for the rest there is no way to write it.

use std::path::Path;

use super::find::{System, is_batch};

/// The most characters that `cmd` takes in a line.
const LONGEST_LINE: usize = 8_191;

/// What of the arguments a program cannot be given, if it is a script of `cmd`.
pub(super) fn obstacle(system: System, program: &Path, args: &[String]) -> Option<&'static str> {
    if system != System::Windows || !is_batch(program) {
        return None;
    }
    if args.iter().any(|arg| arg.contains(['\n', '\r', '\0'])) {
        return Some("line breaks in an argument");
    }
    // Each is quoted and set off; quotes and percent signs take more room when they are escaped.
    let length = |arg: &String| {
        let escaped: usize = arg
            .chars()
            .map(|c| match c {
                '"' => 2,
                '%' => "%%cd:~,%".len(),
                other => other.len_utf16(),
            })
            .sum();
        escaped + 3
    };
    let line = program.as_os_str().len() + args.iter().map(length).sum::<usize>();
    (line > LONGEST_LINE).then_some("arguments of more than 8191 characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle_of(system: System, program: &str, args: &[&str]) -> Option<&'static str> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        obstacle(system, Path::new(program), &args)
    }

    #[test]
    fn only_scripts_of_cmd_are_told_apart() {
        let lines = ["a\nb"];
        assert_eq!(obstacle_of(System::Windows, "tool.exe", &lines), None);
        assert_eq!(obstacle_of(System::Unix, "tool.cmd", &lines), None);
        for program in ["tool.cmd", "TOOL.BAT"] {
            assert_eq!(obstacle_of(System::Windows, program, &lines), Some("line breaks in an argument"));
        }
        for arg in ["a\rb", "a\0b"] {
            assert!(obstacle_of(System::Windows, "tool.cmd", &["x", arg]).is_some());
        }
        assert_eq!(obstacle_of(System::Windows, "tool.cmd", &["100% \"of\" it & more", ""]), None);
    }

    #[test]
    fn a_line_has_an_end() {
        let long = "x".repeat(8_100);
        assert_eq!(obstacle_of(System::Windows, "tool.cmd", &[&long]), None);
        assert!(obstacle_of(System::Windows, "tool.cmd", &[&long, &long]).is_some());
        assert!(obstacle_of(System::Windows, "tool.cmd", &[&"%".repeat(1_100)]).is_some(), "as escaped");
    }
}
