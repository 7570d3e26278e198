//! What no compiler checks: who may know whom, forgotten test files, words that do not belong here,
//! and documents that have to agree with the code.
//!
//! Every test collects all it finds before it fails, each finding as `file:line: what is wrong`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use orchestrate::model::exit::ExitCode;

/// A source file longer than this has a second subject.
const LINES_AT_MOST: usize = 600;
/// A source file longer than this is named, so that somebody looks at it.
const LINES_TO_WATCH: usize = 500;

#[test]
fn every_room_uses_only_what_the_architecture_allows() {
    let allowed = allowed_rooms();
    let mut findings = Vec::new();
    for file in sources() {
        let text = read(&file);
        let room = room_of(&file);
        for (number, line) in numbered(&text) {
            if line.contains("use crate::{") {
                findings.push(format!("{file}:{number}: write one `use crate::room::…` line for each room"));
            }
            for used in rooms_in(line) {
                let known = allowed.contains_key(used);
                let permitted = room.is_some_and(|room| {
                    room == used || allowed.get(room).is_some_and(|rooms| rooms.contains(used))
                });
                if known && !permitted {
                    let room = room.unwrap_or("the crate's root");
                    findings.push(format!("{file}:{number}: `{room}` may not use `{used}`"));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn every_room_stands_in_the_architecture_and_the_other_way_round() {
    let named: BTreeSet<String> = allowed_rooms().into_keys().collect();
    let there: BTreeSet<String> =
        sources().iter().filter_map(|file| room_of(file)).map(String::from).collect();
    assert_eq!(there, named, "folders of src/ (left) and the table of ARCHITECTURE.md (right)");
}

#[test]
fn no_source_file_has_a_second_subject() {
    let mut findings = Vec::new();
    for file in sources() {
        let lines = read(&file).lines().count();
        if lines > LINES_AT_MOST {
            findings.push(format!("{file}:{lines}: longer than {LINES_AT_MOST} lines"));
        } else if lines > LINES_TO_WATCH {
            println!("{file}: {lines} lines, close to the limit of {LINES_AT_MOST}");
        }
    }
    report(&findings);
}

#[test]
fn no_test_file_is_forgotten() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("cargo has read it before");
    let mut reached: BTreeSet<String> = BTreeSet::new();
    for kind in ["test", "bin"] {
        for target in manifest.get(kind).and_then(toml::Value::as_array).into_iter().flatten() {
            let name = target.get("name").and_then(toml::Value::as_str).expect("every target has a name");
            let path = target.get("path").and_then(toml::Value::as_str);
            reached.insert(path.map_or_else(|| format!("tests/{name}.rs"), String::from));
        }
    }
    let files: Vec<String> = project_files()
        .into_iter()
        .filter(|file| file.starts_with("tests/") && has_ending(file, "rs"))
        .collect();
    let declared: BTreeSet<String> = files.iter().flat_map(|file| modules_declared_in(&read(file))).collect();
    let findings: Vec<String> = files
        .iter()
        .filter(|file| !reached.contains(*file) && !declared.contains(module_name(file)))
        .map(|file| format!("{file}:1: neither a `[[test]]` of Cargo.toml nor a module of one"))
        .collect();
    report(&findings);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Put together here, so that this file does not find itself.
    let corpus = concat!("../", "shared");
    let place = concat!("/wo", "rk/");
    let nowhere = [concat!("this ", "session"), concat!("the ", "session that")];
    let may_name_the_corpus = ["tests/", ".ci/", "scripts/"];
    let mut findings = Vec::new();
    for file in project_files().into_iter().filter(|file| file != "Cargo.lock") {
        let Ok(text) = String::from_utf8(fs::read(root().join(&file)).unwrap_or_default()) else { continue };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            // What was recorded from other programs keeps their words, but no place of a machine.
            let words = nowhere.iter().filter(|_| !file.starts_with("tests/fixtures/")).chain([&place]);
            for word in words.filter(|word| line.contains(**word)) {
                findings.push(format!("{file}:{number}: mentions `{word}`"));
            }
            if line.contains(corpus) && !may_name_the_corpus.iter().any(|folder| file.starts_with(folder)) {
                findings.push(format!("{file}:{number}: mentions `{corpus}`"));
            }
        }
    }
    report(&findings);
}

#[test]
fn the_readme_lists_the_exit_codes_of_the_code() {
    let expected: Vec<(String, String)> =
        ExitCode::ALL.iter().map(|code| (code.code().to_string(), code.meaning().to_owned())).collect();
    let readme = read("README.md");
    let rows: Vec<(String, String)> = table_rows(&readme, "| code | meaning |")
        .into_iter()
        .map(|cells| match cells.as_slice() {
            [code, meaning] => (code.clone(), meaning.clone()),
            other => panic!("a row of {} cells in the table of exit codes: {other:?}", other.len()),
        })
        .collect();
    assert_eq!(rows, expected, "README.md (left) and model::exit (right)");
}

#[test]
fn what_is_left_out_under_wine_is_there() {
    let texts: Vec<String> =
        project_files().into_iter().filter(|file| has_ending(file, "rs")).map(|file| read(&file)).collect();
    let list = read("tests/wine.txt");
    let names = numbered(&list).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let findings: Vec<String> = names
        .filter(|(_, name)| {
            let function = format!("fn {}(", name.rsplit("::").next().unwrap_or(name));
            !texts.iter().any(|text| text.contains(&function))
        })
        .map(|(number, name)| format!("tests/wine.txt:{number}: there is no test `{name}`"))
        .collect();
    report(&findings);
}

#[test]
fn the_readme_names_every_plan_and_script() {
    let readme = read("README.md");
    let findings: Vec<String> = project_files()
        .into_iter()
        .filter(|file| {
            let top_level = file.matches('/').count() == 1;
            top_level
                && (file.starts_with("scripts/") || (file.starts_with("plans/") && has_ending(file, "md")))
        })
        .filter(|file| !readme.contains(file.as_str()))
        .map(|file| format!("{file}:1: the README does not name it"))
        .collect();
    report(&findings);
}

#[test]
fn what_the_documents_point_to_is_there() {
    let mut findings = Vec::new();
    for file in
        project_files().into_iter().filter(|file| has_ending(file, "md") && !file.starts_with("tests/"))
    {
        let folder = Path::new(&file).parent().expect("a file stands in a folder").to_owned();
        let text = read(&file);
        for (number, line) in numbered(&text) {
            for target in link_targets(line) {
                if !root().join(&folder).join(target).exists() {
                    findings.push(format!("{file}:{number}: links to `{target}`, which is not there"));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn the_document_of_the_agents_shows_every_scenario() {
    let data: toml::Table = read("tests/conformance/scenarios.toml").parse().expect("TOML");
    let scenarios = data["scenario"].as_array().expect("a list of scenarios");
    let names: Vec<&str> =
        scenarios.iter().map(|scenario| scenario["name"].as_str().expect("a name")).collect();
    let document = read("docs/agents.md");
    let (_, matrix) = document.split_once("\n## The matrix\n").expect("a matrix");
    let shown: Vec<&str> = matrix
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .collect();
    assert_eq!(shown, names, "docs/agents.md (left) and tests/conformance/scenarios.toml (right)");
    let pins = read("scripts/agents");
    let pins = pins.lines().find_map(|line| line.strip_prefix("packages=(")).expect("a list of packages");
    for package in pins.trim_end_matches(')').split(' ') {
        let (name, version) = package.rsplit_once('@').expect("a package and its version");
        assert!(document.contains(&format!("`{name}`")), "docs/agents.md does not name {name}");
        assert!(
            document.contains(&format!("| {version} |")),
            "docs/agents.md was made with another {package}"
        );
    }
}

#[test]
fn every_dependency_has_its_line() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("cargo has read it before");
    let mut crates: BTreeSet<String> = BTreeSet::new();
    let mut take = |table: Option<&toml::Value>| {
        crates.extend(table.and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys).cloned());
    };
    take(manifest.get("dependencies"));
    take(manifest.get("dev-dependencies"));
    for part in
        manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values)
    {
        take(part.get("dependencies"));
        take(part.get("dev-dependencies"));
    }
    crates.remove("orchestrate-swarm");
    let document = read("docs/dependencies.md");
    let named: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split('`').next())
        .map(String::from)
        .collect();
    assert_eq!(named, crates, "docs/dependencies.md (left) and Cargo.toml (right)");
}

/// For each room the rooms that it may use, as the table of ARCHITECTURE.md says.
fn allowed_rooms() -> BTreeMap<String, BTreeSet<String>> {
    let text = read("ARCHITECTURE.md");
    let rows = table_rows(&text, "| room | may use of ours | from outside |");
    assert!(!rows.is_empty(), "ARCHITECTURE.md has no table of rooms");
    let names: BTreeSet<String> = rows.iter().map(|cells| cells[0].clone()).collect();
    rows.iter()
        .map(|cells| {
            let rooms = match cells[1].as_str() {
                "nothing" => BTreeSet::new(),
                "all" => names.clone(),
                list => list.split(", ").map(String::from).collect(),
            };
            let unknown: Vec<&String> = rooms.difference(&names).collect();
            assert!(
                unknown.is_empty(),
                "ARCHITECTURE.md: `{}` may use {unknown:?}, which are no rooms",
                cells[0]
            );
            (cells[0].clone(), rooms)
        })
        .collect()
}

/// The cells of the table below this heading row, without its second line.
fn table_rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    text.lines()
        .skip_while(|line| *line != heading)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Lines from 1 that hold code: comments are left out, for they may speak of anybody.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| {
        let line = line.trim_start();
        !line.starts_with("//")
    })
}

/// The names that follow `crate::` on this line.
fn rooms_in(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

/// The room that a file of `src/` belongs to; none for the crate's root.
fn room_of(file: &str) -> Option<&str> {
    file.strip_prefix("src/")?.split_once('/').map(|(room, _)| room)
}

/// The names of modules that are declared here and stand in a file of their own.
fn modules_declared_in(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "))
        .filter_map(|rest| rest.strip_suffix(';'))
        .map(String::from)
        .collect()
}

/// The name by which a file is declared as a module.
fn module_name(file: &str) -> &str {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// Where the Markdown links of a line lead to inside the project, without their fragments.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        let inside = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        inside.then_some(target)
    })
}

/// The files of `src/`, relative to the project's root.
fn sources() -> Vec<String> {
    let files: Vec<String> = project_files()
        .into_iter()
        .filter(|file| file.starts_with("src/") && has_ending(file, "rs"))
        .collect();
    assert!(files.len() > 10, "git lists hardly any source file: {files:?}");
    files
}

/// Whether the file's name ends so.
fn has_ending(file: &str, ending: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == ending)
}

/// All files that git tracks or would track, relative to the project's root, with `/`.
fn project_files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is needed to know the project's files");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("the project's file names are UTF-8");
    names.split_terminator('\0').filter(|name| root().join(name).is_file()).map(String::from).collect()
}

/// The text of a file of the project.
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
}

/// The project's root.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Fails with all findings.
fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} found:\n{}", findings.len(), findings.join("\n"));
}
