//! What a supervised command costs: 1,000 and 10,000 commands that do nothing, eight at once, run by
//! `orchestrate` and by `xargs -P`, `make -j` and GNU `parallel`, in turns in the same run.
//!
//! `cargo bench --bench commands`, or with other numbers: `cargo bench --bench commands -- 100 500`.
//! Each tool starts `sh -c 'exit 0'` as often, with the same number at once; `orchestrate` keeps a
//! journal, a log folder and a verdict for each besides. No criterion here: what is measured is the
//! wall time of whole processes that take seconds, so rounds in turns and their median say more than
//! its many samples of one tool after the other.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many run at the same time.
const AT_ONCE: &str = "8";
/// How many commands, where nothing else is asked for.
const COMMANDS: [usize; 2] = [1_000, 10_000];

/// One way to run many commands.
struct Tool {
    /// As shown.
    name: &'static str,
    /// The program whose absence leaves the tool out; none: it was built with this benchmark.
    needs: Option<&'static str>,
    /// Makes what it reads, in this folder.
    prepare: fn(&Path, usize) -> io::Result<()>,
    /// What to start, in the same folder.
    command: fn() -> Command,
    /// How many commands left a trace of having been run; none: the tool leaves none.
    traces: Option<fn(&Path) -> io::Result<usize>>,
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "orchestrate",
        needs: None,
        prepare: write_plan,
        command: orchestrate,
        traces: Some(task_folders),
    },
    Tool { name: "xargs -P", needs: Some("xargs"), prepare: write_numbers, command: xargs, traces: None },
    Tool { name: "make -j", needs: Some("make"), prepare: write_makefile, command: make, traces: None },
    Tool {
        name: "parallel -j",
        needs: Some("parallel"),
        prepare: write_numbers,
        command: parallel,
        traces: None,
    },
];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let asked: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    // Without `--bench` it is a test that this runs at all.
    let counts = match (asked.is_empty(), arguments.iter().any(|argument| argument == "--bench")) {
        (false, _) => asked,
        (true, true) => COMMANDS.to_vec(),
        (true, false) => vec![10],
    };
    println!("{AT_ONCE} at once, wall time of the whole process, median of the rounds\n");
    println!("| commands | tool | rounds | seconds | us a command | to xargs |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    for count in counts {
        let rounds = if count > 2_000 { 3 } else { 5 };
        compare(count, rounds)?;
    }
    Ok(())
}

/// Runs every tool in turn, `rounds` times over, and prints a row for each.
fn compare(count: usize, rounds: usize) -> io::Result<()> {
    let present: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.needs.is_none_or(is_installed)).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); present.len()];
    // Removed when all is measured: some file systems (ext4) make files more slowly for some seconds
    // after many were removed.
    let mut folders = Vec::new();
    for _ in 0..rounds {
        for (tool, times) in present.iter().zip(&mut times) {
            let folder = tempfile::tempdir()?;
            times.push(measure(tool, count, folder.path())?);
            folders.push(folder);
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    let xargs = present.iter().position(|tool| tool.name.starts_with("xargs")).map(|place| medians[place]);
    for (tool, median) in present.iter().zip(&medians) {
        let seconds = median.as_secs_f64();
        let each = median.as_micros() / count.max(1) as u128;
        let ratio =
            xargs.map_or_else(|| "?".to_owned(), |xargs| format!("{:.2}", seconds / xargs.as_secs_f64()));
        println!("| {count} | {} | {rounds} | {seconds:.3} | {each} | {ratio} |", tool.name);
    }
    for tool in TOOLS.iter().filter(|tool| !tool.needs.is_none_or(is_installed)) {
        println!("| {count} | {} | 0 | not installed | | |", tool.name);
    }
    Ok(())
}

/// One run of one tool in a fresh folder; what it prepares does not count.
fn measure(tool: &Tool, count: usize, folder: &Path) -> io::Result<Duration> {
    (tool.prepare)(folder, count)?;
    let mut command = (tool.command)();
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::piped());
    if tool.needs.is_some_and(|_| !tool.name.starts_with("make")) {
        command.stdin(fs::File::open(folder.join("numbers"))?);
    } else {
        command.stdin(Stdio::null());
    }
    let began = Instant::now();
    let ended = command.output()?;
    let elapsed = began.elapsed();
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(io::Error::other(format!("{} ended with {}: {said}", tool.name, ended.status)));
    }
    if let Some(traces) = tool.traces {
        let ran = traces(folder)?;
        if ran != count {
            return Err(io::Error::other(format!("{} ran {ran} of {count} commands", tool.name)));
        }
    }
    Ok(elapsed)
}

fn orchestrate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrate"));
    command.args(["run", "plan.md", "--jobs", AT_ONCE, "--no-tick", "--isolation", "shared"]);
    command
}

fn xargs() -> Command {
    let mut command = Command::new("xargs");
    command.args(["-P", AT_ONCE, "-n", "1", "sh", "-c", "exit 0"]);
    command
}

fn make() -> Command {
    let mut command = Command::new("make");
    command.args(["--silent", "--jobs", AT_ONCE, "all"]);
    command
}

fn parallel() -> Command {
    let mut command = Command::new("parallel");
    // It picks the shell by its parent or this variable; the others use sh.
    command.env("PARALLEL_SHELL", "/bin/sh").args(["--no-notice", "--jobs", AT_ONCE, "exit 0 #{}"]);
    command
}

/// A plan whose tasks wait for nothing.
fn write_plan(folder: &Path, count: usize) -> io::Result<()> {
    let mut text = String::from("# Commands that do nothing\n");
    for number in 1..=count {
        let _ = write!(
            text,
            "\n### Task {number}: Nothing\n\n- **Agent**: command\n- **Depends on**: none\n- **Command**: `exit 0`\n"
        );
    }
    fs::write(folder.join("plan.md"), text)?;
    // The folder is a project of its own, wherever it lies.
    fs::write(folder.join("orchestrate.toml"), "version = 1\n")
}

/// A rule for each command. `exit` is no program, so make has to go through the shell too.
fn write_makefile(folder: &Path, count: usize) -> io::Result<()> {
    let names: Vec<String> = (1..=count).map(|number| format!("task{number}")).collect();
    let names = names.join(" ");
    fs::write(folder.join("Makefile"), format!(".PHONY: all {names}\nall: {names}\n{names}:\n\t@exit 0\n"))
}

/// A line for each command.
fn write_numbers(folder: &Path, count: usize) -> io::Result<()> {
    let text: String = (1..=count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}");
        text
    });
    fs::write(folder.join("numbers"), text)
}

/// The folders of tasks that a run has left behind: who is fast because it ran nothing is found out.
fn task_folders(folder: &Path) -> io::Result<usize> {
    let mut count = 0;
    for run in fs::read_dir(folder.join("plans/agent-shared/runs"))? {
        count += fs::read_dir(run?.path().join("tasks"))?.count();
    }
    Ok(count)
}

fn is_installed(program: &str) -> bool {
    let here = env::current_dir().unwrap_or_default();
    orchestrate::agents::find::find_tool(program, &env::vars().collect(), &here).is_some()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
