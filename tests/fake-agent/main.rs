//! A stand-in for a coding agent that does what its arguments say, one after the other.
//!
//! It reads `ORCHESTRATE_RUN`, `ORCHESTRATE_TASK`, `ORCHESTRATE_ATTEMPT` and
//! `ORCHESTRATE_COMPLETION` as a real agent would, and is deterministic. After its last behaviour it exits 0.
//!
//! Where `FAKE_AGENT_SCRIPTS` is set, its arguments are those of the program that it stands in for:
//! what it does are the lines of the file `TASK.ATTEMPT` in that folder then.
//!
//! | argument | what it does |
//! | --- | --- |
//! | `pass`, `failed`, `blocked` | leaves that completion, written whole and renamed into place |
//! | `claim:PATH` | leaves a completion that claims to have created PATH |
//! | `no-completion` | nothing |
//! | `bad-schema`, `wrong-attempt` | leaves a completion that is none |
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
//! | `setsid-grandchild` | the same in a session of its own |
//! | `hidden-grandchild` | the same in a session of its own, with an empty environment |
//! | `nested-grandchild` | the same under a child in a session of its own; prints both |
//! | `write:PATH:TEXT`, `edit:PATH:TEXT` | writes the file anew, appends to it |
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
    let behaviours = behaviours().unwrap_or_else(|error| {
        drop(writeln!(io::stderr(), "fake-agent: no script: {error}"));
        std::process::exit(70);
    });
    for (place, behaviour) in behaviours.iter().enumerate() {
        if behaviour == "ignore-term" {
            go_on_deaf(&behaviours[place + 1..]);
        }
        if let Err(error) = behave(behaviour) {
            drop(writeln!(io::stderr(), "fake-agent: {behaviour}: {error}"));
            std::process::exit(70);
        }
    }
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
        "no-completion" => Ok(()),
        "bad-schema" => leave(&json!({ "schema": "completion/v1", "status": "splendid" })),
        "wrong-attempt" => wrong_attempt(),
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
        "wait-a-moment" => {
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
        "setsid-grandchild" => grandchild(Command::new("setsid").arg(env::current_exe()?).arg("hang")),
        "hidden-grandchild" => hidden_grandchild(),
        "nested-grandchild" => nested_grandchild(),
        "write" | "edit" => change(name, value),
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

fn wrong_attempt() -> Outcome {
    let mut completion = completion("succeeded")?;
    completion["attempt"] = json!(attempt()? + 1);
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
            run(Command::new("ln").arg("-s").arg(elsewhere).arg(place))?;
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
fn go_on_deaf(rest: &[String]) -> ! {
    let program = env::current_exe().unwrap_or_else(|_| "fake-agent".into());
    let mut command = Command::new("sh");
    command.arg("-c").arg("trap '' TERM INT; exec \"$0\" \"$@\"").arg(program).args(rest);
    #[cfg(unix)]
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    #[cfg(not(unix))]
    let error = io::Error::other(format!("there is no {command:?} here"));
    drop(writeln!(io::stderr(), "fake-agent: ignore-term: {error}"));
    std::process::exit(70)
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

/// Goes on only when the child is its own session's program: before that it can be seen whose it is.
fn hidden_grandchild() -> Outcome {
    let mut command = Command::new(find("setsid")?);
    command.arg(env::current_exe()?).args(["line:hidden", "hang"]).env_clear();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut word = [0; 6];
    child.stdout.take().ok_or("it has no output")?.read_exact(&mut word)?;
    say(&format!("grandchild {}", child.id()))
}

fn find(program: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folders = variable("PATH")?;
    let found = env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.ok_or_else(|| format!("`{program}` is not installed").into())
}

/// The child says its own id by `grandchild`, and so does the one below it.
fn nested_grandchild() -> Outcome {
    let mut command = Command::new("setsid");
    grandchild(command.arg(env::current_exe()?).args(["grandchild", "line:nested", "hang"]))
}

fn change(how: &str, value: &str) -> Outcome {
    let (path, text) = value.split_once(':').ok_or("it takes PATH:TEXT")?;
    let path = Path::new(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let options = if how == "edit" { options.append(true) } else { options.write(true).truncate(true) };
    Ok(writeln!(options.create(true).open(path)?, "{text}")?)
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
