//! How many transitions a second the shared state takes: a run's turns through the store with and
//! without a Redis, against the raw pipelined limit of `redis-benchmark` on the same socket, in turns
//! in the same run.
//!
//! `cargo bench --bench shared_state`, or with another number of tasks: `-- 5000`. Each task makes two
//! transitions (it begins, it succeeds) with three events. The raw limit of a transition is one `SET`
//! and one and a half `XADD` of the same lengths, pipelined as many at once as a turn has. The server
//! is one of its own, on a socket in a temporary folder, and keeps nothing on disk.

#![cfg_attr(unix, expect(clippy::disallowed_methods, reason = "a benchmark measures time"))]
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

#[cfg(not(unix))]
fn main() {
    println!("it needs a socket of Unix");
}

#[cfg(unix)]
fn main() -> anyhow::Result<()> {
    unix::main()
}

#[cfg(unix)]
mod unix {

    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use anyhow::{Context as _, ensure};
    use orchestrate::model::event::{Event, EventBody, EventVersion};
    use orchestrate::model::ids::{RunId, TaskId};
    use orchestrate::model::layer::Rung;
    use orchestrate::model::record::{Lease, LeaseVersion};
    use orchestrate::model::run::{RunSettings, RunSpec};
    use orchestrate::model::status::AttemptStatus;
    use orchestrate::model::task::TaskSpec;
    use orchestrate::model::time::Timestamp;
    use orchestrate::model::verdict::{Verdict, Witness, WitnessName};
    use orchestrate::model::view::RunView;
    use orchestrate::store::{Address, Mirror, RedisState, SharedState as _, Store};

    /// How many tasks, where nothing else is asked for.
    const TASKS: usize = 2_000;
    /// How many tasks take the same step in one turn of the loop.
    const AT_ONCE: [usize; 3] = [1, 8, 64];
    const ROUNDS: usize = 3;
    /// How many commands `redis-benchmark` sends at least to find its rate.
    const RAW_AT_LEAST: usize = 100_000;
    const SOON: Duration = Duration::from_secs(5);

    pub(super) fn main() -> anyhow::Result<()> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let asked = arguments.iter().find_map(|argument| argument.parse().ok());
        let measured = arguments.iter().any(|argument| argument == "--bench");
        let tasks = asked.unwrap_or(if measured { TASKS } else { 64 });
        if !is_installed("redis-server") || !is_installed("redis-benchmark") {
            println!("SKIPPED: there is no redis-server here (apt-get install redis-server)");
            return Ok(());
        }
        println!("{tasks} tasks, two transitions each, median of {ROUNDS} rounds\n");
        println!("| in a turn | what | transitions a second | us each | of the raw limit |");
        println!("| ---: | --- | ---: | ---: | ---: |");
        for at_once in AT_ONCE {
            compare(tasks, at_once)?;
        }
        Ok(())
    }

    /// A server that ends with this.
    struct Server {
        folder: tempfile::TempDir,
        child: Child,
    }

    impl Server {
        fn start() -> anyhow::Result<Self> {
            let folder = tempfile::tempdir()?;
            let child = Command::new("redis-server")
                .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
                .arg(folder.path().join("redis.sock"))
                .stdout(Stdio::null())
                .spawn()?;
            let server = Self { folder, child };
            let begun = Instant::now();
            while server.state().is_err() {
                ensure!(begun.elapsed() < SOON, "the server does not answer");
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Ok(server)
        }

        fn socket(&self) -> PathBuf {
            self.folder.path().join("redis.sock")
        }

        fn address(&self) -> anyhow::Result<Address> {
            Ok(Address::parse(&format!("unix://{}", self.socket().display()))?)
        }

        fn state(&self) -> anyhow::Result<RedisState> {
            Ok(RedisState::open(self.address()?, Duration::from_hours(1), SOON)?)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }

    /// One way to make the transitions of so many tasks; returns how long it took.
    type Way = fn(usize, usize) -> anyhow::Result<Duration>;

    const WAYS: [(&str, Way); 3] = [
        ("raw: `SET` and `XADD` by `redis-benchmark`", raw),
        ("a run with Redis, until the server has all", with_redis),
        ("a run without", without),
    ];

    fn compare(tasks: usize, at_once: usize) -> anyhow::Result<()> {
        let mut times: Vec<Vec<Duration>> = vec![Vec::new(); WAYS.len() + 1];
        for _ in 0..ROUNDS {
            for ((_, way), times) in WAYS.iter().zip(&mut times) {
                times.push(way(tasks, at_once)?);
            }
            times[WAYS.len()].push(rebuilt(tasks, at_once)?);
        }
        let names = WAYS.iter().map(|(name, _)| *name).chain(["`state repair` of an empty server"]);
        let mut limit = None;
        for (name, times) in names.zip(&mut times) {
            times.sort_unstable();
            let each = times[times.len() / 2].as_secs_f64() / f64::from(u32::try_from(2 * tasks)?);
            let limit = *limit.get_or_insert(each);
            println!(
                "| {at_once} | {name} | {:.0} | {:.1} | {:.0} % |",
                1.0 / each,
                each * 1e6,
                100.0 * limit / each
            );
        }
        Ok(())
    }

    /// What the server could take if nothing were compared: the same bytes by plain commands.
    fn raw(tasks: usize, at_once: usize) -> anyhow::Result<Duration> {
        let server = Server::start()?;
        let (record, event) = lengths()?;
        let (record, event) = ("x".repeat(record), "x".repeat(event));
        let sets = benchmark(&server.socket(), 2 * tasks, at_once, &["SET", "p:task:__rand_int__", &record])?;
        let adds =
            benchmark(&server.socket(), 3 * tasks, at_once, &["XADD", "p:events", "*", "json", &event])?;
        Ok(sets + adds)
    }

    /// How long a status record and an event are, on the way.
    fn lengths() -> anyhow::Result<(usize, usize)> {
        let server = Server::start()?;
        let mut run = Run::begin(1, Some(&server))?;
        run.goes(1)?;
        run.ends()?;
        let state = server.state()?;
        let record = state.get("shop:task:T0:status")?.context("a record")?.len();
        let events = state.stream_read("shop:run:R1:events", 0)?;
        Ok((record, events.iter().map(|(_, text)| text.len()).sum::<usize>() / events.len().max(1)))
    }

    /// How long `redis-benchmark` takes for so many of one command over one connection.
    fn benchmark(
        socket: &Path,
        count: usize,
        pipelined: usize,
        command: &[&str],
    ) -> anyhow::Result<Duration> {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.arg("-s").arg(socket).args(["-c", "1", "-r", "1000000", "--csv"]);
        // Of a few thousand it measures its own beginning.
        let asked = count.max(RAW_AT_LEAST);
        benchmark.args(["-n", &asked.to_string(), "-P", &pipelined.to_string()]).args(command);
        let output = benchmark.output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        // "test","rps",... and then one line with the numbers, the test's name first.
        let line = told.lines().last().unwrap_or_default();
        let numbers = line.rsplit_once("\",\"").map(|_| line.split("\",\"").collect::<Vec<_>>());
        let rate: f64 = numbers
            .and_then(|numbers| numbers.get(1)?.trim_matches('"').parse().ok())
            .with_context(|| format!("no figure in {told:?}"))?;
        Ok(Duration::from_secs_f64(f64::from(u32::try_from(count)?) / rate))
    }

    fn with_redis(tasks: usize, at_once: usize) -> anyhow::Result<Duration> {
        let server = Server::start()?;
        let mut run = Run::begin(tasks, Some(&server))?;
        let begun = Instant::now();
        run.goes(at_once)?;
        let state = server.state()?;
        while state
            .streams("shop:run:R1:events")?
            .first()
            .is_none_or(|(_, length)| *length < run.view.last_seq)
        {
            ensure!(begun.elapsed() < Duration::from_mins(5), "the server does not get all of it");
            std::thread::park_timeout(Duration::from_micros(200));
        }
        let took = begun.elapsed();
        run.ends()?;
        let problems = run.store.verify_shared(&state, "shop:", &|_| false)?;
        ensure!(problems.is_empty(), "{problems:?}");
        Ok(took)
    }

    fn without(tasks: usize, at_once: usize) -> anyhow::Result<Duration> {
        let mut run = Run::begin(tasks, None)?;
        let begun = Instant::now();
        run.goes(at_once)?;
        let took = begun.elapsed();
        run.ends()?;
        Ok(took)
    }

    /// How long it takes to write all of a run that ended into a server that has nothing.
    fn rebuilt(tasks: usize, at_once: usize) -> anyhow::Result<Duration> {
        let mut run = Run::begin(tasks, None)?;
        run.goes(at_once)?;
        run.ends()?;
        let server = Server::start()?;
        let state = server.state()?;
        let begun = Instant::now();
        run.store.repair_shared(&state, "shop:", Timestamp(0), &|_| false)?;
        Ok(begun.elapsed())
    }

    /// A run as its supervisor keeps it.
    struct Run {
        _folder: tempfile::TempDir,
        store: Store,
        spec: RunSpec,
        view: RunView,
        lease: Lease,
    }

    impl Run {
        fn begin(tasks: usize, server: Option<&Server>) -> anyhow::Result<Self> {
            let folder = tempfile::tempdir()?;
            let mut store = Store::open(folder.path(), false)?;
            if let Some(server) = server {
                store.share_with(Mirror::open(server.address()?, Duration::from_hours(1), 1, SOON)?);
            }
            let spec = spec(tasks);
            let now = Timestamp(2_000);
            let fence = store.next_fence(&spec.prefix, now)?;
            let lease = Lease {
                schema: LeaseVersion::V1,
                run_id: spec.run_id.clone(),
                host: "host".to_owned(),
                pid: 7,
                pid_started: String::new(),
                fence,
                until: Timestamp(32_000),
            };
            store.begin_run(&spec, &lease, now, &|_| true)?;
            let view = RunView::new(&spec);
            let mut run = Self { _folder: folder, store, spec, view, lease };
            let started = EventBody::RunStarted {
                plan: run.spec.plan.clone(),
                plan_title: run.spec.plan_title.clone(),
                host: "host".to_owned(),
                pid: 7,
                tasks: u32::try_from(tasks)?,
                to_run: u32::try_from(tasks)?,
                done_before: 0,
                jobs: 64,
                fence,
            };
            run.turn(vec![started])?;
            Ok(run)
        }

        /// Takes all tasks through their two steps, so many at once.
        fn goes(&mut self, at_once: usize) -> anyhow::Result<()> {
            let ids: Vec<TaskId> = self.spec.tasks.iter().map(|task| task.id.clone()).collect();
            for some in ids.chunks(at_once) {
                self.turn(some.iter().map(begins).collect())?;
                self.turn(some.iter().flat_map(succeeds).collect())?;
            }
            Ok(())
        }

        /// One turn of the loop.
        fn turn(&mut self, bodies: Vec<EventBody>) -> anyhow::Result<()> {
            let mut events = Vec::with_capacity(bodies.len());
            for body in bodies {
                let seq = self.view.last_seq + 1;
                let (run_id, at) = (self.spec.run_id.clone(), Timestamp(2_000 + i64::try_from(seq)?));
                let event = Event { schema: EventVersion::V1, run_id, seq, at, body };
                self.view.apply(&event)?;
                events.push(event);
            }
            Ok(self.store.append(&self.spec, &self.view, &events, Timestamp(3_000))?)
        }

        fn ends(&mut self) -> anyhow::Result<()> {
            ensure!(self.store.release_lease(&self.spec, &self.lease)?, "the lease was somebody else's");
            Ok(())
        }
    }

    fn begins(task: &TaskId) -> EventBody {
        let rung = Rung {
            layer: Some(3),
            agent: "kilo".to_owned(),
            model: Some("kilo/z-ai/glm-4.7".to_owned()),
            provider: Some("kilo".to_owned()),
        };
        let deadline_at = Timestamp(9_000_000);
        EventBody::AttemptStarted { task_id: task.clone(), attempt: 1, rung, deadline_at, session: None }
    }

    fn succeeds(task: &TaskId) -> [EventBody; 2] {
        let names =
            [WitnessName::Process, WitnessName::Completion, WitnessName::Outputs, WitnessName::Verify];
        let witness =
            |name| Witness { name, agrees: Some(true), asked: true, seen: "exited with 0".to_owned() };
        let witnesses = names.map(witness).to_vec();
        let ended = EventBody::AttemptEnded {
            task_id: task.clone(),
            attempt: 1,
            status: AttemptStatus::Succeeded,
            outcome: None,
            reading: None,
            summary: Some("wrote the part and its test".to_owned()),
            session_kept: false,
            verdict: Verdict { witnesses, ..Verdict::default() },
        };
        [ended, EventBody::TaskSucceeded { task_id: task.clone(), attempt: 1 }]
    }

    fn spec(tasks: usize) -> RunSpec {
        RunSpec {
            root: PathBuf::from("/srv/shop"),
            plan: "plan.md".to_owned(),
            plan_title: "Shop".to_owned(),
            created_at: Timestamp(1_000),
            host: "host".to_owned(),
            settings: RunSettings { jobs: 64, ..RunSettings::default() },
            tasks: (0..tasks).map(task).collect(),
            ..RunSpec::new(RunId("R1".to_owned()), "shop")
        }
    }

    fn task(number: usize) -> TaskSpec {
        TaskSpec {
            body: "the work".to_owned(),
            ..TaskSpec::new(TaskId::new(format!("T{number}")), format!("Write part {number}"))
        }
    }

    fn is_installed(program: &str) -> bool {
        let tried =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    }
}
