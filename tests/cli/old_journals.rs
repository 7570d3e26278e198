//! Journals that earlier versions wrote (`tests/fixtures/journals`): read, reported and resumed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::Value;

use crate::going_on::Followed;
use crate::project::Project;

const CONFIGURATION: &str = "\
version = 1

[agents.mine]
program = 'sh'
args = ['agent.sh', '{model}']
prompt = 'stdin'
completion = 'optional'
signs = [
  { pattern = '^limited', kind = 'rate_limited' },
  { pattern = '^no such model', kind = 'model_unknown' },
]

[agents.missing]
program = 'a-program-that-is-not-here'

[[layers]]
layer = 1
agent = 'mine'
model = 'one'
provider = 'p'
cost = 'free'

[[layers]]
layer = 2
agent = 'mine'
model = 'two'
provider = 'q'
cost = 'free'

[[layers]]
layer = 3
agent = 'mine'
model = 'three'
provider = 'r'
cost = 'free'

[[layers]]
layer = 4
agent = 'missing'
model = 'four'
provider = 's'
cost = 'free'
";

/// An agent whose first layer is limited and whose second has no such model.
const AGENT: &str = "\
cat > /dev/null
case $1 in
one) echo 'limited' >&2; exit 3 ;;
two) echo 'no such model' >&2; exit 3 ;;
esac
orchestrate progress 'half of it'
orchestrate complete --summary 'it is done'
";

const ENDED: &str = "\
# What ended

## Phase 1: Work

- [x] E000 Was done
- [ ] E001 Is checked
  - Agent: command
  - Command: `echo >> ended.md; echo made > made`
  - Verify: `test -e made`
- [ ] E002 Climbs the layers
- [ ] E003 Fails once
  - Agent: command
  - Command: `test -e once || { touch once; exit 1; }`
- [ ] E004 Fails until it is helped
  - Agent: command
  - Command: `test -e fixed`
  - Retries: 0
- [ ] E005 Is blocked by it
  - Agent: command
  - Command: `true`
  - Depends on: E004

## Phase 2: Release

- **Gate**: approval

- [ ] E006 Publish
  - Agent: command
  - Command: `true`
";

const KILLED: &str = "\
# What was killed

- [ ] K001 Was done
  - Agent: command
  - Command: `echo K001 >> ran`
- [ ] K002 Was at work
  - Agent: command
  - Command: `echo K002 >> ran; while ! test -e go; do sleep 0.02; done`
  - Depends on: K001
- [ ] K003 Follows
  - Agent: command
  - Command: `echo K003 >> ran`
  - Depends on: K002
- [ ] K004 Was stopped
  - Agent: command
  - Command: `while ! test -e never; do sleep 0.02; done`
  - Depends on: K001
";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journals")
}

fn project() -> Project {
    let project = Project::new();
    project.write("orchestrate.toml", CONFIGURATION);
    project.write("agent.sh", AGENT);
    project.write("ended.md", ENDED);
    project.write("killed.md", KILLED);
    project
}

fn place(project: &Project) -> String {
    project.root().parent().unwrap().display().to_string()
}

fn database(project: &Project) -> PathBuf {
    project.root().join("plans/agent-shared/orchestrate.db")
}

/// Writes the journal of this version, if that is asked for.
#[test]
fn a_journal_is_kept() {
    if std::env::var_os("ORCHESTRATE_KEEP_JOURNAL").is_none() {
        return;
    }
    let project = project();
    let ended = project.run(["--plan", "ended.md", "--verify", "true"]).expect(1).run_id().to_owned();
    project.write("fixed", "");
    let _ = project.run(["retry", "--say", "it is fixed"]).expect(9);
    let _ = project.run(["approve", "approval", "--resume"]).expect(0);
    let result = project.run(["report", "--as", "json"]).expect(0).json();

    let mut run = Followed::start(&project, &["--plan", "killed.md"]);
    run.until("K004");
    run.signal(rustix::process::Signal::INT);
    let _ = run.end().expect(130);
    let mut run = Followed::start(&project, &["resume"]);
    run.until("K004");
    let _ = project.run(["stop", "K004"]).expect(0);
    run.until("stopped");
    run.kill_supervisor();
    let _ = run.end();

    let folder = fixtures().join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(&folder).unwrap();
    let connection = Connection::open(database(&project)).unwrap();
    let host: String = connection
        .query_row("SELECT body ->> 'host' FROM events WHERE seq = 1", [], |row| row.get(0))
        .unwrap();
    let general = |text: &str| {
        text.replace(&place(&project), "@PROJECT@")
            .replace(&format!("\"{host}\""), "\"old-host\"")
            .replace(&format!("@{host}\""), "@old-host\"")
    };
    std::fs::write(folder.join("journal.sql"), general(&dump(&connection))).unwrap();
    assert_eq!(result["run_id"], ended);
    let result = serde_json::to_string_pretty(&result).unwrap();
    std::fs::write(folder.join("finished.json"), general(&result) + "\n").unwrap();
}

/// A database as the statements that make it.
fn dump(connection: &Connection) -> String {
    let mut text = String::new();
    for pragma in ["application_id", "user_version"] {
        let value: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap();
        writeln!(text, "PRAGMA {pragma} = {value};").unwrap();
    }
    let mut tables = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
    let tables = tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    for (name, sql) in tables.map(Result::<(String, String), _>::unwrap) {
        writeln!(text, "{sql};").unwrap();
        let any = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns: Vec<String> = any.column_names().map(|name| format!("quote({name})")).collect();
        let list = columns.join(" || ', ' || ");
        let mut rows = connection.prepare(&format!("SELECT {list} FROM {name}")).unwrap();
        for row in rows.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            writeln!(text, "INSERT INTO {name} VALUES ({});", row.unwrap()).unwrap();
        }
    }
    text
}

/// The folders of the versions whose journals are kept.
fn versions() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("journal.sql").is_file());
    found.sort();
    assert!(!found.is_empty(), "no journal of an earlier version is kept");
    found
}

/// A project in which an earlier version ran both plans.
fn unpacked(version: &Path) -> Project {
    let project = project();
    let sql = std::fs::read_to_string(version.join("journal.sql")).unwrap();
    std::fs::create_dir_all(database(&project).parent().unwrap()).unwrap();
    let connection = Connection::open(database(&project)).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.execute_batch(&sql.replace("@PROJECT@", &place(&project))).unwrap();
    // As it was left.
    project.write("killed.md", KILLED.replace("[ ] K001", "[x] K001"));
    project
}

/// Whether all of `part` is in `whole`, which may say more.
fn says_all(whole: &Value, part: &Value, at: &str) -> Result<(), String> {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part.iter().try_for_each(|(name, value)| {
            let at = format!("{at}/{name}");
            says_all(whole.get(name).unwrap_or(&Value::Null), value, &at)
        }),
        (Value::Array(whole), Value::Array(part)) if whole.len() == part.len() => whole
            .iter()
            .zip(part)
            .enumerate()
            .try_for_each(|(place, (whole, part))| says_all(whole, part, &format!("{at}/{place}"))),
        _ if whole == part => Ok(()),
        _ => Err(format!("{at}: {part} then, {whole} today")),
    }
}

#[test]
fn what_ended_is_reported_as_it_was() {
    for version in versions() {
        let project = unpacked(&version);
        let _ = project.run(["state", "verify"]).expect(0);
        let runs = project.run(["runs", "--output", "json"]).expect(0).json();
        assert_eq!(runs.as_array().unwrap().len(), 2, "{runs}");
        let kept: Value =
            serde_json::from_str(&std::fs::read_to_string(version.join("finished.json")).unwrap()).unwrap();
        let run = kept["run_id"].as_str().unwrap();
        let result = project.run(["report", "--run", run, "--as", "json"]).expect(0).json();
        // Where its files lay is not kept.
        let mut kept = kept.clone();
        kept["report"] = Value::Null;
        says_all(&result, &kept, "").unwrap_or_else(|problem| panic!("{}: {problem}", version.display()));
        let why = project.run(["why", "E002", "--run", run]).expect(0).stdout;
        assert!(why.contains("limited") && why.contains("no such model"), "{why}");
        let _ = project.run(["resume", "--run", run]).expect(4);
    }
}

#[test]
fn what_was_killed_goes_on() {
    for version in versions() {
        let project = unpacked(&version);
        assert_eq!(project.run(["status", "--output", "json"]).expect(0).json()["status"], "lost");
        project.write("go", "");
        let result = project.run(["resume", "--output", "json"]).expect(1).json();
        let ends: Vec<&str> =
            result["tasks"].as_array().unwrap().iter().filter_map(|task| task["status"].as_str()).collect();
        assert_eq!(ends, ["succeeded", "succeeded", "succeeded", "cancelled"], "{}", version.display());
        let attempts = result["tasks"][1]["attempts"].as_array().unwrap();
        assert_eq!(attempts[attempts.len() - 2]["status"], "lost", "{attempts:?}");
        assert_eq!(project.read("ran"), "K002\nK003\n", "what had succeeded ran again");
        assert!(project.read("killed.md").contains("[x] K003"), "{}", project.read("killed.md"));
        let _ = project.run(["state", "verify"]).expect(0);
    }
}
