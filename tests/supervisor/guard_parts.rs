//! A guard and its supervisor, played by this test program: two of a module's tests are parts, and do nothing
//! unless they are started with a part to play.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::is_alive;

/// The variable that gives a part.
pub(crate) const PART: &str = "SUPERVISOR_TEST_PART";

/// The whole time of one test.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The arguments by which this program plays the part `name` of `module`.
pub(crate) fn part(module: &str, name: &str) -> [String; 4] {
    ["--exact", &format!("{module}::{name}"), "--nocapture", "--test-threads=1"].map(ToOwned::to_owned)
}

pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{line}").unwrap();
    stdout.flush().unwrap();
}

/// The lines of a guard, as they come.
pub(crate) struct Guarded {
    pub(crate) guard: Child,
    pub(crate) lines: mpsc::Receiver<String>,
}

impl Guarded {
    /// Starts the part `part_of_the_guard` of `module`.
    pub(crate) fn start(module: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(part(module, "part_of_the_guard")).env(PART, "yes");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guard = command.spawn().unwrap();
        let stdout = BufReader::new(guard.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Lines go on until the last process that holds the pipe is gone.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { guard, lines }
    }

    /// Waits for a line that begins so, and gives its rest.
    pub(crate) fn line(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).expect("the line did not come");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The supervisor and its grandchildren, once all are there.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let pids = ["supervisor ", "grandchild ", "grandchild "];
        let pids: Vec<u32> = pids.iter().map(|start| self.line(start).parse().unwrap()).collect();
        self.line("ready");
        assert!(pids.iter().all(|&pid| is_alive(pid)));
        pids
    }
}
