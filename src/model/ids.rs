//! Names of runs, tasks and attempts, and the code that makes a file name of a task id.

use std::borrow::Borrow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of one run: a ULID, so that names sort by the time at which runs began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RunId(pub String);

/// The name of a task within its plan, as written there or made from its title.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TaskId(pub String);

/// One try at one task. Attempts are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct AttemptKey {
    /// The task that is tried.
    pub task: TaskId,
    /// Which try, from 1.
    pub attempt: u32,
}

impl RunId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TaskId {
    /// Makes an id of any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the name of a folder, branch or ref: see [`task_code`].
    pub fn code(&self) -> String {
        task_code(&self.0)
    }
}

impl Borrow<str> for TaskId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AttemptKey {
    /// Names attempt `attempt` of `task`.
    pub fn new(task: TaskId, attempt: u32) -> Self {
        Self { task, attempt }
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.task, self.attempt)
    }
}

/// Turns a task id into the name of a folder, branch or ref.
///
/// `[a-z0-9_-]` is kept; every other byte, capitals included (file systems that ignore case would
/// mix `A1` and `a1` up), becomes `%XX` with capital hexadecimal digits. Different ids have
/// different codes. An empty id becomes `%`. On Windows the first byte of a name that is a device's there,
/// such as `con`, is not kept either: no folder can have it.
pub fn task_code(id: &str) -> String {
    code_where(cfg!(windows), id)
}

fn code_where(devices: bool, id: &str) -> String {
    use fmt::Write as _;
    if id.is_empty() {
        return "%".to_owned();
    }
    let device = devices && is_device(id);
    let mut code = String::with_capacity(id.len());
    for (place, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
        if plain && !(device && place == 0) {
            code.push(char::from(byte));
        } else {
            write!(code, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    code
}

/// Whether Windows takes a name of small letters for a device, in whatever folder it stands.
fn is_device(name: &str) -> bool {
    let numbered = |name: &str| {
        let number = name.strip_prefix("com").or_else(|| name.strip_prefix("lpt"));
        number.is_some_and(|number| matches!(number.as_bytes(), [b'0'..=b'9']))
    };
    ["con", "prn", "aux", "nul"].contains(&name) || numbered(name)
}

/// Makes the name that stands for `{project}` in key prefixes: lower case, with `_` for everything
/// but letters and digits.
pub fn project_name(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_keep_small_letters_and_escape_the_rest() {
        assert_eq!(task_code("abc-1_2"), "abc-1_2");
        assert_eq!(task_code("T003"), "%54003");
        assert_eq!(task_code("1.2"), "1%2E2");
        assert_eq!(task_code("phase-2/1"), "phase-2%2F1");
        assert_eq!(task_code("ž"), "%C5%BE");
        assert_eq!(task_code(""), "%");
        assert_ne!(task_code("A"), task_code("a"));
    }

    #[test]
    fn names_of_devices_are_no_folders_on_windows() {
        for (id, windows) in [
            ("con", "%63on"),
            ("nul", "%6Eul"),
            ("com1", "%63om1"),
            ("lpt9", "%6Cpt9"),
            ("com10", "com10"),
            ("com", "com"),
            ("console", "console"),
            ("CON", "%43%4F%4E"),
            ("nul.", "nul%2E"),
            ("con.txt", "con%2Etxt"),
        ] {
            assert_eq!(code_where(true, id), windows);
            let elsewhere =
                if windows.starts_with('%') && id.starts_with(char::is_lowercase) { id } else { windows };
            assert_eq!(code_where(false, id), elsewhere);
        }
        let folder = tempfile::tempdir().unwrap();
        for id in ["con", "nul", "aux", "prn", "com1", "nul.", "a."] {
            let place = folder.path().join(task_code(id)).join("1");
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("prompt.md"), id).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7, "each has its own");
    }

    #[test]
    fn project_names_are_plain() {
        assert_eq!(project_name("Marketing.Tvoje.info"), "marketing_tvoje_info");
        assert_eq!(project_name("my app-2"), "my_app_2");
    }
}
