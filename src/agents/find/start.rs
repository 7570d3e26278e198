//! From a file that was found to what is started.

use std::path::{Path, PathBuf};

use super::native;
use super::places::{Origin, joined};
use super::shim::{self, Form, Shim, Target};
use super::system::{Machine, has_ending, is_batch};
use crate::model::agent::AdapterKind;

/// Shims behind shims that are followed: there are two where Scoop has installed what npm wrote.
const DEEPEST: u32 = 4;

/// The most bytes of a script that are read to see what it starts.
const LONGEST_SHIM: u64 = 32 * 1024;

/// The endings of scripts that Node runs.
const NODE_SCRIPTS: [&str; 3] = ["js", "mjs", "cjs"];

/// What is started, and with what before all other arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
}

impl Start {
    fn of(program: PathBuf) -> Self {
        Self { program, args: Vec::new() }
    }
}

impl Machine<'_> {
    /// What has to be started for a file that was found. None: it cannot be started.
    pub(super) fn start_of(&self, kind: AdapterKind, file: &Path, origin: Origin) -> Option<Start> {
        // A shell is its user's choice, and its name may be what it goes by.
        if kind == AdapterKind::Command {
            return self.as_it_is(file).map(Start::of);
        }
        self.follow(kind, file, origin, 0)
    }

    fn follow(&self, kind: AdapterKind, file: &Path, origin: Origin, depth: u32) -> Option<Start> {
        if depth > DEEPEST {
            return None;
        }
        if let Some(program) = native::behind(self, kind, file) {
            return Some(Start::of(program));
        }
        match self.read_shim(file) {
            Some(shim) => self.behind_shim(kind, file, origin, &shim, depth),
            None if self.is_windows() => self.windows_file(file),
            None => self.unix_file(file, origin),
        }
    }

    /// What a shim starts. A shim that leads nowhere cannot be started.
    fn behind_shim(
        &self,
        kind: AdapterKind,
        file: &Path,
        origin: Origin,
        shim: &Shim,
        depth: u32,
    ) -> Option<Start> {
        let target = self.locate(file, &shim.target)?;
        if let Some(program) = native::behind(self, kind, &target) {
            return Some(Start::of(program));
        }
        // Where the shim's shell becomes what it starts nothing stands between.
        let replaced = shim.replaced && !self.is_windows();
        let Some(interpreter) = &shim.interpreter else {
            if replaced {
                return self.as_it_is(file).map(Start::of);
            }
            let mut start = self.follow(kind, &target, origin, depth + 1)?;
            start.args.extend(shim.args.iter().cloned());
            return Some(start);
        };
        if replaced && self.finds_itself(interpreter, file, origin) {
            return self.as_it_is(file).map(Start::of);
        }
        let program = self.interpreter(interpreter, file)?;
        let target = target.to_str()?.to_owned();
        let args = shim.options.iter().cloned().chain([target]).chain(shim.args.iter().cloned()).collect();
        Some(Start { program, args })
    }

    /// A file on Windows that is no shim: a native program, a script of Windows' own shell, or one
    /// that says what runs it.
    fn windows_file(&self, file: &Path) -> Option<Start> {
        if native::is_native(file) || is_batch(file) {
            return self.as_it_is(file).map(Start::of);
        }
        // PowerShell would have to be told to trust it.
        if has_ending(file, &["ps1"]) {
            return None;
        }
        let (interpreter, options) = match shebang(&head(file)?) {
            Some(named) => named,
            None if has_ending(file, &NODE_SCRIPTS) => ("node".to_owned(), Vec::new()),
            None => return None,
        };
        let program = self.interpreter(&Target::Named(interpreter), file)?;
        let script = self.as_it_is(file)?.to_str()?.to_owned();
        Some(Start { program, args: options.into_iter().chain([script]).collect() })
    }

    /// A file on Unix that is no shim. The system starts scripts itself, but needs their interpreter
    /// on the path.
    fn unix_file(&self, file: &Path, origin: Origin) -> Option<Start> {
        let named = head(file).as_deref().and_then(shebang_of_env);
        if let Some((interpreter, options)) = named.filter(|(name, _)| is_runtime(name))
            && !self.finds_itself(&Target::Named(interpreter.clone()), file, origin)
            && let Some(program) = self.interpreter(&Target::Named(interpreter), file)
            && let Some(script) = self.as_it_is(file)?.to_str().map(str::to_owned)
        {
            return Some(Start { program, args: options.into_iter().chain([script]).collect() });
        }
        self.as_it_is(file).map(Start::of)
    }

    /// A file with the links in its path resolved, so that it outlives the folder in which it was
    /// found, which may be one of a terminal's. Its name stays: some programs go by it.
    fn as_it_is(&self, file: &Path) -> Option<PathBuf> {
        let name = file.file_name()?;
        let folder = file.parent().and_then(|folder| dunce::canonicalize(folder).ok());
        // A drive of Windows that stands for a share stays the drive.
        let is_plain = |path: &Path| path.to_str().is_some_and(|path| !path.starts_with("\\\\"));
        let same = folder.map(|folder| folder.join(name)).filter(|path| is_plain(path));
        let same = same.unwrap_or_else(|| file.to_owned());
        if self.is_windows() {
            return Some(same);
        }
        let real = dunce::canonicalize(&same).ok().filter(|path| path.to_str().is_some());
        Some(real.filter(|real| real.file_stem() == same.file_stem()).unwrap_or(same))
    }

    /// Whether a script that asks the path for its interpreter gets the right one: the one beside a
    /// script that was not found on the path belongs to it.
    fn finds_itself(&self, interpreter: &Target, file: &Path, origin: Origin) -> bool {
        let Target::Named(name) = interpreter else { return true };
        let path = self.path();
        let on_path = |folder: &Path| path.iter().any(|known| known == folder);
        let own = file.parent().filter(|folder| !self.files(folder, name).is_empty());
        let belongs = origin != Origin::Configured && own.is_some_and(|folder| !on_path(folder));
        !belongs && path.iter().any(|folder| !self.files(folder, name).is_empty())
    }

    /// The interpreter of a script: beside the script, as shims have it, else where programs are.
    fn interpreter(&self, interpreter: &Target, file: &Path) -> Option<PathBuf> {
        let named = match interpreter {
            Target::Named(name) => name.as_str(),
            Target::At(path) | Target::Beside(path) => {
                if let Some(found) = self.locate(file, interpreter) {
                    return self.as_it_is(&found);
                }
                path.rsplit(['/', '\\']).next()?
            }
        };
        let name = named.strip_suffix(".exe").unwrap_or(named);
        if self.is_windows() && ["sh", "bash"].contains(&name) {
            return self.git_shell();
        }
        let beside = file.parent().map(|folder| self.files(folder, name)).unwrap_or_default();
        let found = beside
            .into_iter()
            .find_map(|file| self.native_behind(&file))
            .or_else(|| self.look_for(name, |file, _| self.native_behind(file)))?;
        self.as_it_is(&found)
    }

    /// On Windows, the native program that a file is, or leads to without arguments of its own.
    /// Elsewhere a script will do.
    pub(super) fn native_behind(&self, file: &Path) -> Option<PathBuf> {
        if !self.is_windows() {
            return Some(file.to_owned());
        }
        let Some(shim) = self.read_shim(file) else {
            return native::is_native(file).then(|| file.to_owned());
        };
        let plain = shim.interpreter.is_none() && shim.args.is_empty();
        let target = plain.then(|| self.locate(file, &shim.target)).flatten();
        target.filter(|target| native::is_native(target))
    }

    /// The file that a shim means. Its folder is the one of the shim itself, or of the link to it.
    fn locate(&self, shim: &Path, target: &Target) -> Option<PathBuf> {
        match target {
            Target::At(path) => Some(PathBuf::from(path)).filter(|path| path.is_absolute() && path.is_file()),
            Target::Beside(path) => {
                let real = dunce::canonicalize(shim).ok();
                let folders = [real.as_deref(), Some(shim)].into_iter().flatten().filter_map(Path::parent);
                folders.map(|folder| below(folder, path)).find(|path| path.is_file())
            }
            Target::Named(_) => self.interpreter(target, shim),
        }
    }

    /// Reads a file as a shim, if it is one.
    fn read_shim(&self, file: &Path) -> Option<Shim> {
        let name = file.file_stem()?.to_str()?;
        if !self.is_windows() {
            return shim::read(Form::Shell, name, &head(file)?);
        }
        if native::is_native(file) {
            return shim::read(Form::Scoop, name, &head(&file.with_extension("shim"))?);
        }
        let form = if is_batch(file) {
            Form::Batch
        } else if has_ending(file, &["ps1"]) {
            Form::PowerShell
        } else {
            Form::Shell
        };
        shim::read(form, name, &head(file)?)
    }
}

/// A path seen from a folder, written with `/`, with its `..` taken away where a folder is left.
fn below(folder: &Path, path: &str) -> PathBuf {
    path.split('/').fold(folder.to_owned(), |mut at, name| match name {
        "" | "." => at,
        ".." => {
            at.pop();
            at
        }
        name => joined(&at, name),
    })
}

/// Whether a name is that of a program that runs scripts of JavaScript.
fn is_runtime(name: &str) -> bool {
    ["node", "bun", "deno"].contains(&name)
}

/// The text of a script, if it is short enough to be a shim; of a longer one its first line.
fn head(file: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(file).ok()?.take(LONGEST_SHIM + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > LONGEST_SHIM {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        bytes.truncate(end);
    }
    // A native program is no text.
    (!bytes.contains(&0)).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The interpreter that a script names in its first line, without its folder, and its options.
fn shebang(text: &str) -> Option<(String, Vec<String>)> {
    shebang_of_env(text).or_else(|| {
        let mut words = text.lines().next()?.strip_prefix("#!")?.split_whitespace();
        let name = words.next()?.rsplit('/').next()?.to_owned();
        Some((name, words.map(str::to_owned).collect()))
    })
}

/// The same for a script that leaves it to `env` to find its interpreter.
fn shebang_of_env(text: &str) -> Option<(String, Vec<String>)> {
    let mut words = text.lines().next()?.strip_prefix("#!")?.split_whitespace();
    words.next().filter(|program| program.ends_with("/env"))?;
    let mut words = words.skip_while(|word| *word == "-S").map(str::to_owned);
    let name = words.next().filter(|name| !name.starts_with('-') && !name.contains('='))?;
    Some((name, words.collect()))
}
