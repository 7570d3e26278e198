//! The small scripts by which package managers start a program on Windows, and pnpm everywhere:
//! what their text says they start.
//!
//! Pure. Known are the forms of npm's `cmd-shim`, which Yarn and Bun's npm mode write too, of
//! pnpm's fork of it, of Volta, and the `.shim` files of Scoop. A text that does anything besides,
//! such as setting variables for the program, is taken for none of them; but for `NODE_PATH`, which
//! pnpm sets for packages that look for what they do not depend on: that is left out.

/// Which language a shim is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `.cmd`, `.bat`.
    Batch,
    /// `.ps1`.
    PowerShell,
    /// A Unix shell's.
    Shell,
    /// Scoop's list of settings beside a native program.
    Scoop,
}

/// A file as a shim names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Seen from the shim's folder; with `/`.
    Beside(String),
    /// As it stands.
    At(String),
    /// A name that has to be looked for.
    Named(String),
}

/// What a shim starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shim {
    /// The interpreter; none: the target is started itself.
    pub(super) interpreter: Option<Target>,
    /// Arguments of the interpreter that come before the target.
    pub(super) options: Vec<String>,
    /// What is started.
    pub(super) target: Target,
    /// Arguments that come before the caller's.
    pub(super) args: Vec<String>,
    /// Whether the program takes the shim's place, as a Unix shell's `exec` has it.
    pub(super) replaced: bool,
}

/// Variables that a shim may set: its own, and the one that is left out.
const HARMLESS: [&str; 4] = ["dp0", "_prog", "pathext", "node_path"];

/// Reads a shim whose file is called `name`, without its ending.
pub(super) fn read(form: Form, name: &str, text: &str) -> Option<Shim> {
    match form {
        Form::Batch => batch(name, text),
        Form::PowerShell => power_shell(text),
        Form::Shell => shell(text),
        Form::Scoop => scoop(text),
    }
}

fn batch(name: &str, text: &str) -> Option<Shim> {
    let mut program = None;
    for line in text.lines() {
        let line = line.trim().trim_start_matches('@');
        let Some(setting) = strip_word(line, "set") else { continue };
        let (variable, value) = setting.trim().trim_matches('"').split_once('=')?;
        if !HARMLESS.contains(&variable.to_ascii_lowercase().as_str()) {
            return None;
        }
        // The last one stands for a machine without Node beside the shim.
        if variable.eq_ignore_ascii_case("_prog") {
            program = Some(value.to_owned());
        }
    }
    let line = text.lines().rev().find(|line| line.contains("%*"))?;
    let (line, _) = line.split_once("%*")?;
    let words = words(after_last_unquoted(line, '&').trim().trim_start_matches('@'));
    if let [dispatcher, run, own] = words.as_slice()
        && [dispatcher.as_str(), run, own] == ["volta", "run", "%~n0"]
    {
        return Some(Shim {
            interpreter: None,
            options: Vec::new(),
            target: Target::Named("volta".to_owned()),
            args: vec!["run".to_owned(), name.to_owned()],
            replaced: false,
        });
    }
    let words: Vec<String> = words
        .into_iter()
        .map(|word| if word == "%_prog%" { program.clone().unwrap_or(word) } else { word })
        .collect();
    shim(&words, &["%~dp0", "%dp0%"], false)
}

fn power_shell(text: &str) -> Option<Shim> {
    let sets_others = text.lines().any(|line| {
        let name =
            line.trim().strip_prefix("$env:").and_then(|rest| rest.split_once('=')).map(|(name, _)| name);
        name.is_some_and(|name| !name.trim().eq_ignore_ascii_case("NODE_PATH"))
    });
    let line = text.lines().rev().map(str::trim_end).find_map(|line| line.strip_suffix("$args"))?;
    let (_, line) = line.split_once("& ")?;
    let words: Vec<String> =
        words(line).iter().map(|word| word.strip_suffix("$exe").unwrap_or(word).to_owned()).collect();
    if sets_others { None } else { shim(&words, &["$basedir"], false) }
}

fn shell(text: &str) -> Option<Shim> {
    if !text.starts_with("#!") || !text.contains("basedir=") {
        return None;
    }
    let sets_others = text.lines().any(|line| {
        line.trim().strip_prefix("export ").is_some_and(|setting| !setting.starts_with("NODE_PATH="))
    });
    let line = text.lines().rev().map(str::trim).find_map(|line| line.strip_suffix("\"$@\""))?;
    let (line, replaced) = line.strip_prefix("exec ").map_or((line, false), |line| (line, true));
    if sets_others { None } else { shim(&words(line), &["$basedir"], replaced) }
}

fn scoop(text: &str) -> Option<Shim> {
    let (mut target, mut args) = (None, Vec::new());
    for line in text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once('=')?;
        match name.trim() {
            "path" => target = Some(value.trim().trim_matches('"').to_owned()),
            "args" => args = words(value),
            _ => return None,
        }
    }
    let target = target.filter(|target| is_absolute(target) && is_plain(target))?;
    let plain = args.iter().all(|word| is_plain(word));
    plain.then_some(Shim {
        interpreter: None,
        options: Vec::new(),
        target: Target::At(target),
        args,
        replaced: false,
    })
}

/// Makes a shim of the words of its command: an interpreter with options, the target, arguments. The
/// target is the last word that names a file by its place.
fn shim(words: &[String], here: &[&str], replaced: bool) -> Option<Shim> {
    let target = words.iter().rposition(|word| place(word, here).is_some())?;
    let interpreter = match target {
        0 => None,
        _ => Some(
            place(&words[0], here)
                .or_else(|| is_plain(&words[0]).then(|| Target::Named(words[0].clone())))?,
        ),
    };
    let options = words.get(1..target).unwrap_or_default().to_vec();
    let args = words[target + 1..].to_vec();
    let plain = options.iter().chain(&args).all(|word| is_plain(word));
    // `A=1 program`: a variable for the program.
    let sets = words[0].contains('=');
    let target = place(&words[target], here)?;
    (plain && !sets).then_some(Shim { interpreter, options, target, args, replaced })
}

/// The file that a word names by its place.
fn place(word: &str, here: &[&str]) -> Option<Target> {
    for start in here {
        let rest = word
            .get(..start.len())
            .filter(|found| found.eq_ignore_ascii_case(start))
            .map(|_| &word[start.len()..]);
        if let Some(rest) = rest {
            let rest = rest.replace('\\', "/");
            let rest = rest.strip_prefix('/').unwrap_or(&rest);
            let good = is_plain(rest) && !rest.is_empty();
            return good.then(|| Target::Beside(rest.to_owned()));
        }
    }
    (is_absolute(word) && is_plain(word)).then(|| Target::At(word.to_owned()))
}

/// Whether a path stands for itself on some system.
fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive = matches!(bytes, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    drive || path.starts_with('/') || path.starts_with("\\\\")
}

/// Whether a word has nothing in it that a shell would fill in.
fn is_plain(word: &str) -> bool {
    !word.contains(['%', '$', '`', '"'])
}

fn strip_word<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = line.split_once(' ')?;
    first.eq_ignore_ascii_case(word).then_some(rest)
}

fn after_last_unquoted(line: &str, mark: char) -> &str {
    let (mut quoted, mut start) = (false, 0);
    for (at, c) in line.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if c == mark && !quoted {
            start = at + c.len_utf8();
        }
    }
    &line[start..]
}

/// The words of a command. Quotes hold a word together, and are no part of it.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut quoted, mut inside) = (false, false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                inside = false;
                continue;
            }
            _ => {}
        }
        if !inside {
            words.push(String::new());
            inside = true;
        }
        if let Some(word) = words.last_mut().filter(|_| c != '"') {
            word.push(c);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `cmd-shim` 8.0.0 of npm 10 and `@zkochan/cmd-shim` 7.0.0 of pnpm wrote them.
    macro_rules! recorded {
        ($name:literal) => {
            include_str!(concat!("../../../tests/fixtures/shims/", $name))
        };
    }

    fn beside(path: &str) -> Target {
        Target::Beside(path.to_owned())
    }

    fn named(name: &str) -> Target {
        Target::Named(name.to_owned())
    }

    fn words_of(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn scripts_of_node_are_read_in_all_their_forms() {
        let options = ["--no-warnings", "--enable-source-maps"];
        let npm = |form, text| {
            let shim = read(form, "flags", text).expect("a shim");
            assert_eq!(shim.target, beside("node_modules/tool/bin/flags"), "{form:?}");
            assert_eq!((shim.options, shim.args), (words_of(&options), vec![]), "{form:?}");
            assert_eq!(shim.interpreter, Some(named("node")), "{form:?}");
            shim.replaced
        };
        assert!(!npm(Form::Batch, recorded!("npm-node.cmd")));
        assert!(!npm(Form::PowerShell, recorded!("npm-node.ps1")));
        assert!(npm(Form::Shell, recorded!("npm-node.sh")));
        for (form, text) in [
            (Form::Batch, recorded!("pnpm-node.cmd")),
            (Form::PowerShell, recorded!("pnpm-node.ps1")),
            (Form::Shell, recorded!("pnpm-node.sh")),
        ] {
            let shim = read(form, "tool", text).expect("a shim");
            assert_eq!(shim.target, beside("../pnpm/global/5/node_modules/tool/bin/tool.js"), "{form:?}");
            assert_eq!((shim.interpreter, shim.options), (Some(named("node")), vec![]), "{form:?}");
        }
    }

    #[test]
    fn native_programs_need_no_interpreter() {
        for (form, text, target, replaced) in [
            (Form::Batch, recorded!("npm-native.cmd"), "node_modules/nat/bin/nat.exe", false),
            (Form::PowerShell, recorded!("npm-native.ps1"), "node_modules/nat/bin/nat.exe", false),
            (Form::Shell, recorded!("npm-native.sh"), "node_modules/nat/bin/nat.exe", true),
            (Form::Batch, recorded!("pnpm-native.cmd"), "../npm/node_modules/nat/bin/nat.exe", false),
            (Form::PowerShell, recorded!("pnpm-native.ps1"), "../npm/node_modules/nat/bin/nat.exe", false),
            // The shell waits for it.
            (Form::Shell, recorded!("pnpm-native.sh"), "../npm/node_modules/nat/bin/nat.exe", false),
        ] {
            let expected =
                Shim { interpreter: None, options: vec![], target: beside(target), args: vec![], replaced };
            assert_eq!(read(form, "nat", text), Some(expected), "{form:?}");
        }
    }

    #[test]
    fn other_interpreters_are_named_as_the_script_names_them() {
        let shim = read(Form::Batch, "shell", recorded!("npm-shell.cmd")).unwrap();
        assert_eq!(shim.interpreter, Some(Target::At("/bin/sh".to_owned())));
        assert_eq!(shim.target, beside("node_modules/tool/bin/shell"));
    }

    #[test]
    fn older_and_rarer_forms() {
        let old = "@IF EXIST \"%~dp0\\node.exe\" (\r\n  \"%~dp0\\node.exe\"  \"%~dp0\\node_modules\\a b\\cli.js\" %*\r\n) \
                   ELSE (\r\n  @SETLOCAL\r\n  @SET PATHEXT=%PATHEXT:;.JS;=;%\r\n  node  \"%~dp0\\node_modules\\a b\\cli.js\" %*\r\n)";
        let shim = read(Form::Batch, "cli", old).unwrap();
        assert_eq!((shim.interpreter, shim.target), (Some(named("node")), beside("node_modules/a b/cli.js")));
        let fixed = "@SETLOCAL\r\n@\"C:\\Program Files\\nodejs\\node.exe\" \"%~dp0\\..\\x\\cli.js\" run --quiet %*\r\n";
        let shim = read(Form::Batch, "cli", fixed).unwrap();
        assert_eq!(shim.interpreter, Some(Target::At("C:\\Program Files\\nodejs\\node.exe".to_owned())));
        assert_eq!((shim.target, shim.args), (beside("../x/cli.js"), words_of(&["run", "--quiet"])));
        let volta = read(Form::Batch, "gemini", "@echo off\r\nvolta run %~n0 %*\r\n").unwrap();
        assert_eq!((volta.target, volta.args), (named("volta"), words_of(&["run", "gemini"])));
    }

    #[test]
    fn what_scoop_keeps_beside_a_program() {
        let scoop = |text| read(Form::Scoop, "tool", text).map(|shim| (shim.target, shim.args));
        let at = |path: &str| Target::At(path.to_owned());
        let expected = Some((at("C:\\apps\\tool\\tool.exe"), words_of(&["-a", "b c"])));
        assert_eq!(scoop("\u{feff}path = \"C:\\apps\\tool\\tool.exe\"\r\nargs = -a \"b c\"\r\n"), expected);
        assert_eq!(scoop("path = C:\\x y\\tool.exe"), Some((at("C:\\x y\\tool.exe"), vec![])));
        for text in ["", "path = tool.exe", "path = C:\\a.exe\nenv:A = b", "hello", "path = C:\\%A%\\a.exe"] {
            assert_eq!(scoop(text), None, "{text}");
        }
    }

    #[test]
    fn scripts_that_do_more_are_no_shims() {
        for text in [
            "",
            "@echo off\r\n",
            "@SET API_KEY=1\r\n\"%~dp0\\tool.exe\" %*\r\n",
            "@SET \"PATH=x:%PATH%\"\r\n@node \"%~dp0\\a.js\" %*\r\n",
            "@node %OPTIONS% \"%~dp0\\a.js\" %*\r\n",
            "@node \"%~dp0\\%NAME%.js\" %*\r\n",
            "@tool %*\r\n",
            "%* \"%~dp0\\a.js\"\r\n",
            "\"%~dp0",
            "@\"%~dp0\" %*",
        ] {
            assert_eq!(read(Form::Batch, "a", text), None, "{text}");
        }
        for text in
            ["$env:A = 1\n& \"$basedir/a.exe\" $args", "& $tool $args", "$args", "\"$basedir/a.exe\" $args"]
        {
            assert_eq!(read(Form::PowerShell, "a", text), None, "{text}");
        }
        for text in [
            "basedir=x\nexec \"$basedir/a\" \"$@\"",
            "#!/bin/sh\nexec \"$HOME/a\" \"$@\"",
            "#!/bin/sh\nbasedir=x\nA=1 \"$basedir/a\" \"$@\"",
            "#!/bin/sh\nbasedir=x\nexport A=1\nexec \"$basedir/a\" \"$@\"",
            "#!/bin/sh\nbasedir=x\nexec \"$basedir/a\" \"$1\"",
            "#!/usr/bin/env node\nrun()",
        ] {
            assert_eq!(read(Form::Shell, "a", text), None, "{text}");
        }
    }

    #[test]
    fn any_text_is_read_without_harm() {
        proptest::proptest!(|(text in "[%~dp0n_\"&@ $basedirgs*x\\\\/=é\r\n#!:]{0,80}")| {
            for form in [Form::Batch, Form::PowerShell, Form::Shell, Form::Scoop] {
                if let Some(shim) = read(form, "name", &text) {
                    let filled = |word: &String| word.contains(['%', '$', '"']);
                    assert!(!shim.args.iter().chain(&shim.options).any(filled), "{shim:?}");
                }
            }
        });
    }
}
