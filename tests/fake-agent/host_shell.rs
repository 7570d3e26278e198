//! The shell of the machine below Wine, in the place of the one that Git for Windows brings along.
//!
//! Wine starts programs of the system below it, but gives nobody a handle to wait for. So the shell is
//! started by another one that writes its exit code down, and that ends it when we are ended: it sees the
//! end of a pipe whose other end we hold.

use std::error::Error;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs `sh` with the arguments that follow the place of the exit code, in a session of its own.
const KEEPER: &str = r#"
PATH=/usr/local/bin:/usr/bin:/bin; export PATH
place=$1; shift
setsid sh "$@" </dev/null &
shell=$!
(cat >/dev/null; kill -KILL -- -"$shell") 2>/dev/null <&3 &
wait "$shell"
echo $? >"$place.new"
mv "$place.new" "$place"
"#;

/// Runs the shell with these arguments and says what it exits with.
pub(crate) fn run(arguments: &[String]) -> Result<i32, Box<dyn Error>> {
    let name = format!("orchestrate-host-shell-{}-{}", std::process::id(), fastrand::u64(..));
    let place = format!("/tmp/{name}");
    // The line on which the keeper listens; it is closed with this process.
    let (line, held) = std::io::pipe()?;
    let mut command = Command::new(r"Z:\bin\sh");
    command.arg("-c").arg(format!("exec 3<&0 </dev/null\n{KEEPER}")).args(["sh", &place]).args(arguments);
    command.stdin(Stdio::from(line)).spawn()?;
    let seen = format!(r"Z:\tmp\{name}");
    let code = loop {
        match fs::read_to_string(&seen) {
            Ok(text) => break text.trim().parse()?,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    fs::remove_file(&seen)?;
    drop(held);
    Ok(code)
}
