//! A stand-in for a coding agent that does what its arguments say, one after the other.
//!
//! It reads `ORCHESTRATE_RUN`, `ORCHESTRATE_TASK`, `ORCHESTRATE_ATTEMPT` and
//! `ORCHESTRATE_COMPLETION` as a real agent would, and is deterministic. After its last behaviour it exits 0.
//!
//! Under the name `sh.exe` it is a shell instead; see `host_shell`.
//!
//! Where `FAKE_AGENT_SCRIPTS` is set, its arguments are those of the program that it stands in for:
//! what it does are the lines of the file `TASK.ATTEMPT` in that folder then.
//!
//! | argument | what it does |
//! | --- | --- |
//! | `pass`, `failed`, `blocked` | leaves that completion, written whole and renamed into place |
//! | `claim:PATH` | leaves a completion that claims to have created PATH |
//! | `no-completion` | nothing |
//! | `bad-schema`, `wrong-attempt`, `wrong-task`, `wrong-run` | leaves a completion that is none |
//! | `copy-completion:PATH` | leaves a copy of that file as its completion |
//! | `half-completion:MS` | writes half a completion in place, and after MS milliseconds the rest |
//! | `symlink-completion`, `folder-completion`, `pipe-completion`, `huge-completion` | leaves that in its place |
//! | `complete-then-hang` | `pass`, then `hang` |
//! | `pass-at:N` | `pass` from attempt N on, exit 1 before |
//! | `exit:N`, `signal:NAME` | ends so at once |
//! | `hang` | waits for ever |
//! | `burn:MS` | uses the processor for MS milliseconds, silently |
//! | `setsid-burn:MS` | waits for a child in a session of its own that does so |
//! | `wait-a-moment:MS` | waits for MS milliseconds, as one does whose provider is slow |
//! | `ignore-term` | does what follows deaf to TERM and INT |
//! | `print:BYTES`, `lines:N`, `line:TEXT`, `error-line:TEXT`, `non-utf8`, `no-newline:TEXT` | prints that |
//! | `flood` | prints for ever |
//! | `print-rate-limit` | prints what an agent prints when its provider says 429 |
//! | `grandchild` | starts a child that holds stdout and hangs; prints `grandchild PID` |
//! | `setsid-grandchild` | the same in a session of its own; on Windows without a console |
//! | `hidden-grandchild` | the same in a session of its own, with an empty environment |
//! | `stray:TRAITS` | starts a process that tries to get away: see `strays.rs`; prints `grandchild PID` |
//! | `tools:MS` | starts a tool in a session of its own every MS milliseconds, for ever |
//! | `nap:MS` | waits so long |
//! | `as:TEXT` | nothing; it can be seen in the command line, and strays keep it |
//! | `breakaway-grandchild` | the same outside the job object; prints `refused` where it may not |
//! | `nested-grandchild` | the same under a child in a session of its own; prints both |
//! | `write:PATH:TEXT`, `edit:PATH:TEXT` | writes the file anew, appends to it; `\\n` in TEXT begins a line |
//! | `make:PATH`, `remove:PATH` | leaves an empty file there, removes the file |
//! | `daemon` | has what follows done by a grandchild in a session of its own, and hangs |
//! | `eat-memory:SIZE` | holds so much memory from then on (`300M`) |
//! | `fork:N` | starts N children that hang |
//! | `fork-bomb:DEPTH` | becomes two in sessions of their own, as those do, 2 to the DEPTH + 1 in all; hangs |
//! | `write-file:PATH:SIZE` | writes so much into the file, as fast as it can |
//! | `wait-for:PATH` | goes on when the file is there |
//! | `report:STATUS` | puts that completion under its report key in Redis, as a bare `SET` does |
//! | `report-progress:TEXT` | puts that progress there |
//! | `set-report:TEXT` | puts that text there, with `{run}`, `{task}` and `{attempt}` filled in |
//! | `big-report:BYTES` | puts so many bytes there |
//! | `stdin` | prints what it reads there |
//! | `arguments` | prints its arguments, joined by blanks |
//! | `env:NAME` | prints `NAME=value`, or `NAME is not set` |

#![expect(clippy::disallowed_methods, reason = "an agent reads its environment and waits for time")]
#![expect(clippy::exit, reason = "the exit code is one of the behaviours")]

#[cfg(windows)]
mod host_shell;
#[cfg(unix)]
mod strays;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn Error>>;

fn main() {
    #[cfg(windows)]
    stand_in_for_a_shell();
    let behaviours = behaviours().unwrap_or_else(|error| {
        drop(writeln!(io::stderr(), "fake-agent: no script: {error}"));
        std::process::exit(70);
    });
    for (place, behaviour) in behaviours.iter().enumerate() {
        if behaviour == "ignore-term" {
            go_on_deaf(&behaviours[place + 1..]);
        }
        if behaviour == "daemon" {
            go_on_behind(&behaviours[place + 1..]);
        }
        if let Err(error) = behave(behaviour) {
            drop(writeln!(io::stderr(), "fake-agent: {behaviour}: {error}"));
            std::process::exit(70);
        }
    }
}

/// Does not come back where the name of this program is that of a shell.
#[cfg(windows)]
fn stand_in_for_a_shell() {
    let is_shell = |name: PathBuf| name.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("sh"));
    if !env::current_exe().is_ok_and(is_shell) {
        return;
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    std::process::exit(host_shell::run(&arguments).unwrap_or_else(|error| {
        drop(writeln!(io::stderr(), "sh: {error}"));
        127
    }))
}

fn behaviours() -> Result<Vec<String>, Box<dyn Error>> {
    let Ok(folder) = env::var("FAKE_AGENT_SCRIPTS") else {
        return Ok(env::args().skip(1).collect());
    };
    let script = format!("{}.{}", variable("ORCHESTRATE_TASK")?, attempt()?);
    Ok(fs::read_to_string(Path::new(&folder).join(script))?.lines().map(str::to_owned).collect())
}

fn behave(behaviour: &str) -> Outcome {
    let (name, value) = behaviour.split_once(':').unwrap_or((behaviour, ""));
    match name {
        "pass" => leave(&completion("succeeded")?),
        "failed" | "blocked" => leave(&completion(name)?),
        "claim" => claim(value),
        "no-completion" | "as" => Ok(()),
        "bad-schema" => leave(&json!({ "schema": "completion/v1", "status": "splendid" })),
        "wrong-attempt" => wrong("attempt", json!(attempt()? + 1)),
        "wrong-task" => wrong("task_id", json!("elsewhere")),
        "wrong-run" => wrong("run_id", json!("01JD8Q3ZK7V0N4M2E6T9QW5XRB")),
        "copy-completion" => leave(&serde_json::from_slice(&fs::read(value)?)?),
        "half-completion" => half_completion(Duration::from_millis(value.parse()?)),
        "symlink-completion" | "folder-completion" | "pipe-completion" | "huge-completion" => misplace(name),
        "complete-then-hang" => leave(&completion("succeeded")?).map(|()| hang()),
        "pass-at" => pass_at(value.parse()?),
        "exit" => std::process::exit(value.parse()?),
        "signal" => die(value),
        "hang" => hang(),
        "burn" => {
            burn(Duration::from_millis(value.parse()?));
            Ok(())
        }
        "setsid-burn" => {
            run(Command::new("setsid").arg("--wait").arg(env::current_exe()?).arg(format!("burn:{value}")))
        }
        "wait-a-moment" | "nap" => {
            thread::sleep(Duration::from_millis(value.parse()?));
            Ok(())
        }
        "print" => print(value.parse()?),
        "flood" => print(u64::MAX),
        "lines" => (1..=value.parse::<u64>()?).try_for_each(|number| say(&format!("line {number}"))),
        "line" => say(value),
        "error-line" => Ok(writeln!(io::stderr(), "{value}")?),
        "no-newline" => put(value.as_bytes()),
        "non-utf8" => put(b"\xff\xfe caf\xe9 \xc3\x28\n"),
        "print-rate-limit" => say(
            r#"{"type":"error","error":{"name":"APIError","data":{"statusCode":429,"message":"Rate limit exceeded"}}}"#,
        ),
        "grandchild" => grandchild(Command::new(env::current_exe()?).arg("hang")),
        "setsid-grandchild" => grandchild(apart()?.arg("hang")),
        "hidden-grandchild" => hidden_grandchild(),
        "breakaway-grandchild" => breakaway_grandchild(),
        "nested-grandchild" => nested_grandchild(),
        #[cfg(unix)]
        "stray" => strays::stray(value),
        #[cfg(unix)]
        "chain" => strays::hop(false),
        #[cfg(unix)]
        "leaping-chain" => strays::hop(true),
        #[cfg(unix)]
        "tools" => strays::tools(Duration::from_millis(value.parse()?)),
        "eat-memory" => {
            eat_memory(size(value)?);
            Ok(())
        }
        "fork" => (0..value.parse::<u32>()?)
            .try_for_each(|_| grandchild(Command::new(env::current_exe()?).arg("hang"))),
        "fork-bomb" => fork_bomb(value.parse()?),
        "write-file" => write_file(value),
        "write" | "edit" => change(name, value),
        "make" => Ok(fs::write(value, "")?),
        "remove" => Ok(fs::remove_file(value)?),
        "wait-for" => wait_for(Path::new(value)),
        "report" => set_report(&report(json!({ "report": "completion", "completion": completion(value)? }))?),
        "report-progress" => set_report(&report(json!({ "report": "progress", "message": value }))?),
        "set-report" => set_report(
            &value
                .replace("{run}", &variable("ORCHESTRATE_RUN")?)
                .replace("{task}", &variable("ORCHESTRATE_TASK")?)
                .replace("{attempt}", &attempt()?.to_string()),
        ),
        "big-report" => set_report(&"x".repeat(value.parse()?)),
        "stdin" => echo_input(),
        "arguments" => say(&env::args().skip(1).collect::<Vec<_>>().join(" ")),
        "env" => {
            say(&env::var(value)
                .map_or_else(|_| format!("{value} is not set"), |text| format!("{value}={text}")))
        }
        _ => Err("no such behaviour".into()),
    }
}

fn put(bytes: &[u8]) -> Outcome {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}

fn say(line: &str) -> Outcome {
    put(format!("{line}\n").as_bytes())
}

fn variable(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|_| format!("`{name}` is not set").into())
}

fn place() -> Result<PathBuf, Box<dyn Error>> {
    Ok(PathBuf::from(variable("ORCHESTRATE_COMPLETION")?))
}

fn attempt() -> Result<u64, Box<dyn Error>> {
    Ok(variable("ORCHESTRATE_ATTEMPT")?.parse()?)
}

fn completion(status: &str) -> Result<Value, Box<dyn Error>> {
    let error = match status {
        "succeeded" => Value::Null,
        other => json!({ "kind": other, "message": format!("it was told to be {other}") }),
    };
    Ok(json!({
        "schema": "completion/v1",
        "run_id": variable("ORCHESTRATE_RUN")?,
        "task_id": variable("ORCHESTRATE_TASK")?,
        "attempt": attempt()?,
        "status": status,
        "summary": "did as it was told",
        "outputs": [],
        "verification": [],
        "error": error,
        "next_steps": [],
    }))
}

fn leave(completion: &Value) -> Outcome {
    let place = place()?;
    let draft = place.with_extension("draft");
    fs::write(&draft, serde_json::to_vec_pretty(completion)?)?;
    Ok(fs::rename(draft, place)?)
}

fn report(body: Value) -> Result<String, Box<dyn Error>> {
    let mut report = body;
    report["schema"] = json!("task-report/v1");
    report["run_id"] = json!(variable("ORCHESTRATE_RUN")?);
    report["task_id"] = json!(variable("ORCHESTRATE_TASK")?);
    report["attempt"] = json!(attempt()?);
    Ok(report.to_string())
}

/// A tool that knows no more than `SET`.
#[cfg(unix)]
fn set_report(text: &str) -> Outcome {
    let url = variable("ORCHESTRATE_REPORT_URL")?;
    let place = url.strip_prefix("unix://").ok_or("it speaks to a socket only")?;
    let (place, _) = place.split_once('?').unwrap_or((place, ""));
    let (login, path) = place.rsplit_once('@').unwrap_or(("", place));
    let mut stream = std::os::unix::net::UnixStream::connect(plain(path))?;
    let key = variable("ORCHESTRATE_REPORT_KEY")?;
    let mut say = |words: &[&str]| -> Outcome {
        let mut packed = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            write!(packed, "${}\r\n{word}\r\n", word.len())?;
        }
        stream.write_all(&packed)?;
        let mut answer = [0; 512];
        let length = stream.read(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        if answer.starts_with("+OK") { Ok(()) } else { Err(answer.into()) }
    };
    if let Some((user, password)) = login.split_once(':') {
        say(&["AUTH", &plain(user), &plain(password)])?;
    }
    say(&["SET", &key, text])
}

/// A part of an address without its `%XX`.
#[cfg(unix)]
fn plain(coded: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = coded.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let code: String = rest.by_ref().take(2).map(char::from).collect();
        bytes.push(u8::from_str_radix(&code, 16).unwrap_or(b'%'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(not(unix))]
fn set_report(_text: &str) -> Outcome {
    Err("there are no sockets here".into())
}

fn claim(path: &str) -> Outcome {
    let mut completion = completion("succeeded")?;
    completion["outputs"] = json!([{ "path": path, "change": "created" }]);
    leave(&completion)
}

fn wrong(field: &str, value: Value) -> Outcome {
    let mut completion = completion("succeeded")?;
    completion[field] = value;
    leave(&completion)
}

fn half_completion(pause: Duration) -> Outcome {
    let text = serde_json::to_vec_pretty(&completion("succeeded")?)?;
    let (half, rest) = text.split_at(text.len() / 2);
    let mut file = fs::File::create(place()?)?;
    file.write_all(half)?;
    file.flush()?;
    say("half")?;
    thread::sleep(pause);
    file.write_all(rest)?;
    say("whole")
}

fn misplace(what: &str) -> Outcome {
    let place = place()?;
    match what {
        "folder-completion" => fs::create_dir(place)?,
        "pipe-completion" => run(Command::new("mkfifo").arg(place))?,
        "huge-completion" => {
            let mut completion = completion("succeeded")?;
            completion["summary"] = Value::String("x".repeat(1024 * 1024));
            fs::write(place, serde_json::to_vec(&completion)?)?;
        }
        _ => {
            let elsewhere = place.with_extension("elsewhere");
            fs::write(&elsewhere, serde_json::to_vec(&completion("succeeded")?)?)?;
            #[cfg(unix)]
            std::os::unix::fs::symlink(elsewhere, place)?;
            #[cfg(windows)]
            std::os::windows::fs::symlink_file(elsewhere, place)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Outcome {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

fn pass_at(first: u64) -> Outcome {
    if attempt()? < first {
        std::process::exit(1);
    }
    leave(&completion("succeeded")?)
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}

fn die(signal: &str) -> Outcome {
    run(Command::new("kill").arg(format!("-{signal}")).arg(std::process::id().to_string()))?;
    hang()
}

fn burn(length: Duration) {
    let begun = Instant::now();
    let mut state = 1_u64;
    while begun.elapsed() < length {
        for _ in 0..1_000_000 {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

/// Signals that a shell ignores stay ignored in the program that takes its place.
#[cfg(unix)]
fn go_on_deaf(rest: &[String]) -> ! {
    let program = env::current_exe().unwrap_or_else(|_| "fake-agent".into());
    let mut command = Command::new("sh");
    command.arg("-c").arg("trap '' TERM INT; exec \"$0\" \"$@\"").arg(program).args(rest);
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    drop(writeln!(io::stderr(), "fake-agent: ignore-term: {error}"));
    std::process::exit(70)
}

/// Events that somebody listens to do not end a process.
#[cfg(windows)]
fn go_on_deaf(rest: &[String]) -> ! {
    use tokio::signal::windows::{ctrl_break, ctrl_c};
    let deaf = || -> Outcome {
        let _listening = (ctrl_break()?, ctrl_c()?);
        rest.iter().try_for_each(|behaviour| behave(behaviour))
    };
    let done = deaf();
    if let Err(error) = &done {
        drop(writeln!(io::stderr(), "fake-agent: {error}"));
    }
    std::process::exit(if done.is_ok() { 0 } else { 70 })
}

fn print(bytes: u64) -> Outcome {
    let line = format!("{}\n", "x".repeat(99));
    let block = line.repeat(640);
    let mut left = bytes;
    let mut stdout = io::stdout().lock();
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        stdout.write_all(&block.as_bytes()[..length])?;
        left -= length as u64;
    }
    Ok(stdout.flush()?)
}

fn grandchild(command: &mut Command) -> Outcome {
    let child = command.stdin(Stdio::null()).spawn()?;
    say(&format!("grandchild {}", child.id()))
}

/// `300M` in bytes.
fn size(text: &str) -> Result<usize, Box<dyn Error>> {
    let (number, unit) = text.split_at(text.len() - 1);
    match unit {
        "K" => Ok(number.parse::<usize>()? << 10),
        "M" => Ok(number.parse::<usize>()? << 20),
        _ => Err("a size ends with `K` or `M`".into()),
    }
}

/// It is given back only by the end of the process.
fn eat_memory(bytes: usize) {
    std::mem::forget(std::hint::black_box(vec![7_u8; bytes]));
}

/// Each one but the last has two children.
fn fork_bomb(depth: u32) -> Outcome {
    if depth > 0 {
        for _ in 0..2 {
            let mut child = Command::new("setsid");
            child.arg(env::current_exe()?).arg(format!("fork-bomb:{}", depth - 1));
            child.stdin(Stdio::null()).spawn()?;
        }
    }
    hang()
}

fn write_file(value: &str) -> Outcome {
    let (path, length) = value.split_once(':').ok_or("it takes PATH:SIZE")?;
    let mut left = size(length)?;
    let block = vec![b'x'; 1 << 20];
    let mut file = fs::File::create(path)?;
    while left > 0 {
        let length = left.min(block.len());
        file.write_all(&block[..length])?;
        left -= length;
    }
    Ok(())
}

/// The one that starts it is gone at once, so its parent is whoever takes orphans.
fn go_on_behind(rest: &[String]) -> ! {
    let mut command = Command::new("setsid");
    let started =
        env::current_exe().and_then(|program| command.arg("--fork").arg(program).args(rest).status());
    if let Err(error) = started {
        drop(writeln!(io::stderr(), "fake-agent: daemon: {error}"));
        std::process::exit(70);
    }
    hang()
}

/// This program, in a session of its own.
#[cfg(unix)]
fn apart() -> Result<Command, Box<dyn Error>> {
    let mut command = Command::new(find("setsid")?);
    command.arg(env::current_exe()?);
    Ok(command)
}

/// This program, with no console and so with nobody who can ask it to stop.
#[cfg(windows)]
fn apart() -> Result<Command, Box<dyn Error>> {
    const DETACHED_PROCESS: u32 = 0x8;
    with_flags(DETACHED_PROCESS)
}

#[cfg(windows)]
fn with_flags(flags: u32) -> Result<Command, Box<dyn Error>> {
    use std::os::windows::process::CommandExt as _;
    let mut command = Command::new(env::current_exe()?);
    command.creation_flags(flags);
    Ok(command)
}

/// Goes on only when the child is its own session's program: before that it can be seen whose it is.
fn hidden_grandchild() -> Outcome {
    let mut command = apart()?;
    command.args(["line:hidden", "hang"]).env_clear();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut word = [0; 6];
    child.stdout.take().ok_or("it has no output")?.read_exact(&mut word)?;
    say(&format!("grandchild {}", child.id()))
}

#[cfg(windows)]
fn breakaway_grandchild() -> Outcome {
    const CREATE_BREAKAWAY_FROM_JOB: u32 = 0x0100_0000;
    grandchild(with_flags(CREATE_BREAKAWAY_FROM_JOB)?.arg("hang")).or_else(|_| say("refused"))
}

#[cfg(unix)]
fn breakaway_grandchild() -> Outcome {
    Err("there are no jobs here".into())
}

#[cfg(unix)]
fn find(program: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folders = variable("PATH")?;
    let found = env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("`{program}` is not installed").into())
}

/// The child says its own id by `grandchild`, and so does the one below it.
fn nested_grandchild() -> Outcome {
    grandchild(apart()?.args(["grandchild", "line:nested", "hang"]))
}

fn change(how: &str, value: &str) -> Outcome {
    let (path, text) = value.split_once(':').ok_or("it takes PATH:TEXT")?;
    let path = Path::new(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let options = if how == "edit" { options.append(true) } else { options.write(true).truncate(true) };
    Ok(writeln!(options.create(true).open(path)?, "{}", text.replace("\\n", "\n"))?)
}

fn wait_for(path: &Path) -> Outcome {
    while !path.try_exists()? {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn echo_input() -> Outcome {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    put(&input)
}
