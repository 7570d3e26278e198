mod models;

use super::*;
use crate::cli::args::reading::{AgentChoice, Bound};
use crate::cli::args::run::IsolationChoice;
use crate::cli::config::read;
use crate::model::agent::{AdapterKind, AgentSpec, PromptChannel};
use crate::model::agent_output::EventRules;
use crate::model::layer::{Cost, default_layers};
use crate::model::limits::{LimitKind, Limits};
use crate::model::run::{Isolation, TickMode};

fn preset(name: &str, kind: AdapterKind) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        kind,
        program: Some(name.to_owned()),
        found: Some(PathBuf::from(format!("/bin/{name}"))),
        found_args: vec!["/lib/script.js".to_owned()],
        memory: Some(1),
        proved: true,
        ..AgentSpec::default()
    }
}

/// What a case is made of; everything that is not said is as if nobody said anything.
#[derive(Default, Clone)]
struct Case {
    common: Common,
    options: RunOptions,
    environment: BTreeMap<String, String>,
    project: Option<String>,
    user: Option<String>,
}

impl Case {
    fn project(text: &str) -> Self {
        Self::default().with_project(text)
    }

    fn with_project(mut self, text: &str) -> Self {
        self.project = Some(format!("version = 1\n{text}"));
        self
    }

    fn with_user(mut self, text: &str) -> Self {
        self.user = Some(format!("version = 1\n{text}"));
        self
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn with_options(mut self, change: impl FnOnce(&mut RunOptions)) -> Self {
        change(&mut self.options);
        self
    }

    fn settle(&self) -> Result<Settings, SettingsError> {
        self.with_sources(settings)
    }

    fn with_sources<T>(&self, work_out: impl FnOnce(&Sources<'_>) -> T) -> T {
        let file = |name: &str, text: &Option<String>| text.as_ref().map(|text| read(name, text).unwrap());
        let project = file("orchestrate.toml", &self.project);
        let user = file("~/.config/orchestrate/orchestrate.toml", &self.user);
        work_out(&Sources {
            common: &self.common,
            options: &self.options,
            environment: &self.environment,
            project: project.as_ref(),
            user: user.as_ref(),
            presets: vec![
                preset("gemini", AdapterKind::Program),
                preset("opencode", AdapterKind::Opencode),
                preset("kilo", AdapterKind::Kilo),
                preset("cline", AdapterKind::Cline),
                preset("command", AdapterKind::Command),
            ],
            root: Path::new("/home/me/My.App"),
            directory: Path::new("/home/me/My.App/src"),
            seed: 7,
        })
    }

    fn settled(&self) -> Settings {
        self.settle().unwrap()
    }

    /// Every mistake on a line, its hints below it.
    fn mistakes(&self) -> String {
        let error = self.settle().unwrap_err();
        error
            .problems
            .iter()
            .flat_map(|problem| {
                std::iter::once(problem.to_string())
                    .chain(problem.hints.iter().map(|hint| format!("    {hint}")))
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[test]
fn the_defaults_are_the_contracts() {
    let settings = Case::default().settled();
    assert_eq!(settings.run.jobs, 4);
    assert_eq!(settings.timeout, Span::minutes(45));
    assert_eq!(settings.run.idle_timeout, Span::minutes(10));
    assert_eq!(settings.run.max_wait, Span::minutes(30));
    assert_eq!(settings.run.grace, Span::seconds(5));
    assert_eq!((settings.retries, settings.run.deadline), (1, None));
    assert_eq!((settings.run.tick, settings.run.isolation), (TickMode::Auto, Isolation::Shared));
    assert_eq!(settings.layers, default_layers());
    assert_eq!((settings.project.as_str(), settings.prefix.as_str()), ("my_app", "my_app:"));
    assert_eq!(settings.state_dir, Path::new("/home/me/My.App").join("plans/agent-shared"));
    assert_eq!(settings.key_ttl, Span::seconds(604_800));
    assert_eq!((settings.output, settings.color), (OutputForm::Human, ColorChoice::Auto));
    assert_eq!((settings.redis, settings.run.seed), (None, 7));
    assert!(settings.run.allow_paid.is_none() && !settings.run.fail_fast && settings.warnings.is_empty());
    assert!(settings.origins.values().all(|origin| *origin == Origin::Default), "{:?}", settings.origins);
}

#[test]
fn option_before_variable_before_project_before_user_before_default() {
    // What each source says, strongest first; every row leaves one more out.
    let all = ["option", "variable", "project", "user", "default"];
    for (first, strongest) in all.iter().enumerate() {
        let mut case = Case::default();
        for source in &all[first..] {
            case = match *source {
                "option" => case.with_options(|options| {
                    options.jobs = Some(11);
                    options.timeout = Some(Span::minutes(11));
                    options.verify = vec!["option".to_owned()];
                    options.agent = vec![AgentChoice::All("gemini".to_owned())];
                    options.id_prefix = Some("option".to_owned());
                }),
                "variable" => case
                    .with_variable("ORCHESTRATE_JOBS", "12")
                    .with_variable("ORCHESTRATE_TIMEOUT", "12m")
                    .with_variable("ORCHESTRATE_VERIFY", "variable")
                    .with_variable("ORCHESTRATE_AGENT", "kilo")
                    .with_variable("ORCHESTRATE_ID_PREFIX", "variable"),
                "project" => case.with_project(
                    "[run]\njobs = 13\ntimeout = '13m'\nverify = ['project']\nagent = 'cline'\nid_prefix = 'project'",
                ),
                "user" => case.with_user(
                    "[run]\njobs = 14\ntimeout = '14m'\nverify = ['user']\nagent = 'opencode'\nid_prefix = 'user'",
                ),
                _ => case,
            };
        }
        let settings = case.settled();
        let (jobs, minutes, word, agent) = match *strongest {
            "option" => (11, 11, "option", Some("gemini")),
            "variable" => (12, 12, "variable", Some("kilo")),
            "project" => (13, 13, "project", Some("cline")),
            "user" => (14, 14, "user", Some("opencode")),
            _ => (4, 45, "", None),
        };
        assert_eq!(settings.run.jobs, jobs, "{strongest}");
        assert_eq!(settings.timeout, Span::minutes(minutes), "{strongest}");
        assert_eq!(settings.run.verify.concat(), word, "{strongest}");
        assert_eq!(settings.run.id_prefix, word, "{strongest}");
        assert_eq!(settings.agent.as_deref(), agent, "{strongest}");
        let origin = match *strongest {
            "option" => Origin::Option("--jobs"),
            "variable" => Origin::Variable("ORCHESTRATE_JOBS"),
            "project" => Origin::Project { file: "orchestrate.toml".to_owned(), line: 3 },
            "user" => Origin::User { file: "~/.config/orchestrate/orchestrate.toml".to_owned(), line: 3 },
            _ => Origin::Default,
        };
        assert_eq!(settings.origins["run.jobs"], origin);
    }
}

#[test]
fn every_variable_has_its_effect() {
    let base = Case::default().settled();
    for variable in VARIABLES {
        let value = match variable.key {
            "output" => "json",
            "project" | "state_dir" | "run.id_prefix" | "redis.prefix" | "run.verify" => "other",
            "limits.processes" => "300",
            "run.jobs" | "run.retries" | "run.layer" | "run.max_layer" => "3",
            "run.fail_fast" => "yes",
            "run.isolation" => "shared",
            "run.agent" => "kilo",
            "color" | "run.tick" => "never",
            "redis.url" => "redis://localhost",
            _ => "3m",
        };
        let settings = Case::default().with_variable(variable.name, value).settled();
        assert_eq!(settings.origins[variable.key], Origin::Variable(variable.name));
        if variable.key != "run.isolation" {
            let same = Settings { origins: base.origins.clone(), ..settings.clone() } == base;
            assert!(!same, "{} changes nothing", variable.name);
        }
        // One that is empty is as if it were not there.
        let empty = Case::default().with_variable(variable.name, " ").settled();
        assert_eq!(empty, base, "{}", variable.name);
    }
}

#[test]
fn wrong_values_are_named_with_their_origin() {
    let case =
        Case::project("[run]\nagent = 'klio'\n[roles]\nDesigner = 'ghost'\n[gateway]\nmode = 'require'\n")
            .with_variable("ORCHESTRATE_TIMEOUT", "soon")
            .with_variable("ORCHESTRATE_RETRIES", "many")
            .with_variable("ORCHESTRATE_OUTPUT", "xml")
            .with_options(|options| {
                options.jobs = Some(0);
                options.layer = Some(9);
                options.report = vec![PathBuf::from("r.pdf")];
                options.agent = vec![AgentChoice::One(TaskId::new("T1"), "nobody".to_owned())];
            });
    assert_eq!(
        case.mistakes(),
        "\
`--agent`: there is no agent `nobody`
    known agents: cline, command, gemini, kilo, opencode; describe another in `[agents.nobody]`
`--jobs`: 0 is not from 1 to 1024
`--layer`: there is no layer 9 or above
    layers here: 1, 2, 3, 4, 5, 6, 7
`--report`: the ending of `r.pdf` names no form of report
    use `.md` (Markdown), `.json` (the result) or `.ndjson` (every event)
`ORCHESTRATE_OUTPUT`: `xml` is none of human, json, ndjson
`ORCHESTRATE_RETRIES`: `many` is no whole number
`ORCHESTRATE_TIMEOUT`: `soon` is no duration: write it like `90s`, `20m` or `1h30m` (a bare number is seconds)
`orchestrate.toml:3`: there is no agent `klio`
    did you mean `kilo`?
    known agents: cline, command, gemini, kilo, opencode; describe another in `[agents.klio]`
`orchestrate.toml:5`: there is no agent `ghost`
    known agents: cline, command, gemini, kilo, opencode; describe another in `[agents.ghost]`
`orchestrate.toml:7`: the gateway is required, and this version has none
    set `mode = \"off\"` to run without it"
    );
    assert_eq!(case.settle().unwrap_err().exit_code(), ExitCode::Usage);
    let only_file = Case::project("[run]\nagent = 'klio'\n").settle().unwrap_err();
    assert_eq!(only_file.exit_code(), ExitCode::InvalidInput);
    assert_eq!(only_file.in_files()[0].line, 3);
}

#[test]
fn a_mistake_elsewhere_keeps_nobody_from_looking() {
    let case = Case::project("project = 'Shop'\nstate_dir = 'x'\n[roles]\nA = 'ghost'\n")
        .with_variable("ORCHESTRATE_JOBS", "many")
        .with_variable("ORCHESTRATE_OUTPUT", "json");
    assert!(case.settle().is_err());
    let basics = case.with_sources(basics).unwrap();
    assert_eq!((basics.prefix.as_str(), basics.output), ("shop:", OutputForm::Json));
    assert_eq!(basics.state_dir, Path::new("/home/me/My.App/x"));
    let wrong = Case::default().with_variable("ORCHESTRATE_COLOR", "red").with_sources(super::basics);
    assert_eq!(wrong.unwrap_err().problems.len(), 1);
}

#[test]
fn worktrees_are_refused_wherever_they_are_asked_for() {
    let typed = Case::default().with_options(|options| options.isolation = Some(IsolationChoice::Worktree));
    assert!(typed.mistakes().starts_with("`--isolation`: a worktree for each task is not in this version"));
    assert_eq!(typed.settle().unwrap_err().exit_code(), ExitCode::Usage);
    let file = Case::project("[run]\nisolation = 'worktree'\n");
    assert!(file.mistakes().starts_with("`orchestrate.toml:3`: a worktree"));
    // What is typed counts before the file.
    file.with_options(|options| options.isolation = Some(IsolationChoice::Shared)).settled();
}

#[test]
fn agents_are_presets_changed_and_joined_by_both_files() {
    let settings = Case::project("[agents.kilo]\nlimit = 2\nenv = { A = 'p' }\n[agents.own]\nprogram = 'own'\n")
        .with_user(
            "[agents.kilo]\nlimit = 9\nmemory = '1GiB'\nprogram = 'kilo-next'\nenv = { A = 'u', B = 'u' }\n[agents.mine]\nprogram = 'mine'\nprompt = 'file'\nargs = ['{prompt_file}', '{modle}', '{json}']\n",
        )
        .settled();
    let kilo = &settings.agents["kilo"];
    assert_eq!((kilo.kind, kilo.limit, kilo.memory), (AdapterKind::Kilo, Some(2), Some(1 << 30)));
    assert_eq!((kilo.program.as_deref(), kilo.found.as_ref()), (Some("kilo-next"), None));
    assert!(kilo.found_args.is_empty(), "they belong to the program");
    assert_eq!(kilo.env, BTreeMap::from([("A".into(), "p".into()), ("B".into(), "u".into())]));
    assert!(kilo.proved);
    assert!(settings.agents["cline"].is_installed());
    let own = &settings.agents["own"];
    assert_eq!((own.kind, own.proved, own.success_codes.clone()), (AdapterKind::Program, false, vec![0]));
    assert_eq!(settings.agents["mine"].prompt, PromptChannel::File);
    assert_eq!(settings.warnings.len(), 1);
    assert_eq!(settings.warnings[0].hint.as_deref(), Some("did you mean `{model}`?"));
}

#[test]
fn limits_come_from_the_nearest_that_says_something() {
    let project = "[limits]\nmemory = '4GiB'\nprocesses = 200\n[agents.kilo.limits]\nmemory = '8GiB'\n";
    let user = "[limits]\nmemory = '1GiB'\ndisk = '2GiB'\noutput = 'none'\n[agents.kilo.limits]\nprocesses = 'none'\n[agents.cline.limits]\ndisk = '3GiB'\n";
    let case = || Case::project(project).with_user(user);
    let limits = |settings: &Settings, agent: &str| settings.agents[agent].limits;
    let settings = case().settled();
    let output = Some(Limits::ENDLESS);
    assert_eq!(
        limits(&settings, "kilo"),
        Limits { memory: Some(8 << 30), disk: Some(2 << 30), output, ..Limits::default() }
    );
    assert_eq!(
        limits(&settings, "cline"),
        Limits {
            memory: Some(4 << 30),
            processes: Some(200),
            disk: Some(3 << 30),
            output,
            ..Limits::default()
        }
    );
    // What is typed holds for every agent.
    let settings = case()
        .with_variable("ORCHESTRATE_LIMIT_MEMORY", "2GiB")
        .with_variable("ORCHESTRATE_LIMIT_DISK", "5GiB")
        .with_options(|options| {
            options.limit = vec![
                (LimitKind::Memory, Bound::At(1)),
                (LimitKind::Memory, Bound::None),
                (LimitKind::Processes, Bound::At(7)),
            ];
        })
        .settled();
    for agent in ["kilo", "cline"] {
        assert_eq!(
            limits(&settings, agent),
            Limits { processes: Some(7), disk: Some(5 << 30), output, ..Limits::default() },
            "{agent}"
        );
    }
    assert_eq!(settings.origins["limits.memory"], Origin::Option("--limit"));
    assert_eq!(settings.origins["limits.disk"], Origin::Variable("ORCHESTRATE_LIMIT_DISK"));
    assert_eq!(limits(&Case::default().settled(), "kilo"), Limits::default());
    let wrong = case().with_variable("ORCHESTRATE_LIMIT_PROCESSES", "many").mistakes();
    assert!(wrong.starts_with("`ORCHESTRATE_LIMIT_PROCESSES`: `many` is no number of processes"), "{wrong}");
}

#[test]
fn agents_that_cannot_work_are_refused() {
    assert_eq!(
        Case::project("[agents.a]\nlimit = 1\n[agents.b]\nprogram = 'b'\nprompt = 'file'\n[agents.c]\nprogram = 'c'\nsuccess_codes = []\n")
            .mistakes(),
        "\
`orchestrate.toml:2`: the agent `a` has no program
    write `program = \"a\"` in `[agents.a]`
`orchestrate.toml:4`: the agent `b` takes its prompt as a file, and no argument names it
    put `{prompt_file}` into `args`
`orchestrate.toml:7`: the agent `c` has no exit code that means success
    write `success_codes = [0]`, or leave it out"
    );
}

#[test]
fn one_task_may_have_an_agent_of_its_own() {
    let settings = Case::default()
        .with_options(|options| {
            options.agent = vec![
                AgentChoice::All("kilo".to_owned()),
                AgentChoice::One(TaskId::new("T1"), "cline".to_owned()),
            ];
        })
        .settled();
    assert_eq!(settings.agent.as_deref(), Some("kilo"));
    assert_eq!(settings.agent_for[&TaskId::new("T1")], "cline");
    let two = Case::default().with_options(|options| {
        options.agent = vec![AgentChoice::All("kilo".to_owned()), AgentChoice::All("cline".to_owned())];
    });
    assert!(two.mistakes().contains("names two agents for all tasks"));
}

#[test]
fn layers_of_a_file_take_the_place_of_the_built_in_ones() {
    let layer = |number: u8, agent: &str| {
        format!(
            "[[layers]]\nlayer = {number}\nagent = '{agent}'\nmodel = 'm'\nprovider = 'p'\ncost = 'paid'\n"
        )
    };
    let settings = Case::project(&layer(2, "kilo")).with_user(&layer(5, "cline")).settled();
    assert_eq!(settings.layers.len(), 1);
    assert_eq!((settings.layers[0].layer, settings.layers[0].cost), (2, Cost::Paid));
    assert!(Case::project(&layer(2, "kiol")).mistakes().contains("layer 2: there is no agent `kiol`"));
    let bounds = |low, high| {
        Case::project(&(layer(2, "kilo") + &layer(4, "cline"))).with_options(|options| {
            options.layer = low;
            options.max_layer = high;
        })
    };
    assert_eq!(bounds(Some(3), Some(4)).settled().run.layer, Some(3));
    assert!(bounds(None, Some(1)).mistakes().contains("there is no layer 1 or below"));
    assert!(bounds(Some(4), Some(2)).mistakes().contains("no layer is from 4 to 2"));
}

#[test]
fn payment_is_approved_with_its_reason_and_can_be_taken_back() {
    let approved = "[models]\napprove_paid = true\nreason = 'the demo'\n";
    assert_eq!(Case::project(approved).settled().run.allow_paid.as_deref(), Some("the demo"));
    assert_eq!(Case::default().with_user(approved).settled().run.allow_paid.as_deref(), Some("the demo"));
    let taken_back = Case::project("[models]\napprove_paid = false\n").with_user(approved);
    assert_eq!(taken_back.settled().run.allow_paid, None);
    let typed = Case::project(approved).with_options(|options| {
        options.allow_paid = true;
        options.reason = Some("now".to_owned());
    });
    assert_eq!(typed.settled().run.allow_paid.as_deref(), Some("now"));
    let empty = Case::default().with_options(|options| {
        options.allow_paid = true;
        options.reason = Some(" ".to_owned());
    });
    assert!(empty.mistakes().starts_with("`--reason`: the reason is empty"));
}

#[test]
fn redis_is_switched_on_by_ours_alone() {
    let application = Case::default()
        .with_variable("REDIS_URL", "redis://app")
        .with_variable("REDIS_HOST", "app")
        .settled();
    assert_eq!(application.redis, None);
    let mut typed = Case::project("[redis]\nrequired = false\n");
    typed.common.redis = Some(String::new());
    let asked = typed.settled().redis.unwrap();
    assert_eq!((asked.origin.clone(), asked.required), (Origin::Option("--redis"), false));
    assert_eq!(asked.url, "");
    // An option without an address means the one that is known.
    let mut typed = Case::project("[redis]\nurl = 'redis://:pw@file'\n");
    typed.common.redis = Some(String::new());
    let asked = typed.clone().settled().redis.unwrap();
    assert_eq!((asked.url.as_str(), asked.required), ("redis://:pw@file", true));
    assert!(!format!("{asked:?}").contains("pw"));
    let known = typed.clone().with_variable("ORCHESTRATE_REDIS_URL", "redis://variable");
    assert_eq!(known.settled().redis.unwrap().url, "redis://variable");
    typed.common.redis = Some("redis://option".to_owned());
    assert_eq!(typed.settled().redis.unwrap().url, "redis://option");
    let variable =
        Case::default().with_variable("ORCHESTRATE_REDIS_URL", "redis://h").settled().redis.unwrap();
    assert_eq!((variable.origin, variable.required), (Origin::Variable("ORCHESTRATE_REDIS_URL"), true));
    for (text, expected) in [
        ("[redis]\nurl = 'redis://h'\n", Some(true)),
        ("[redis]\nurl = 'redis://h'\nrequired = false\n", Some(false)),
        ("[redis]\nrequired = true\n", Some(true)),
        ("[redis]\nprefix = 'x:'\n", None),
    ] {
        let asked = Case::project(text).settled().redis;
        assert_eq!(asked.map(|asked| asked.required), expected, "{text}");
    }
}

#[test]
fn prefixes_are_templates() {
    for (template, expected) in [
        ("{project}:", "shop:"),
        ("mcp", "project:shop:"),
        ("a:{project}:b:", "a:shop:b:"),
        ("plain:", "plain:"),
    ] {
        let text = format!("project = 'Shop'\n[redis]\nprefix = '{template}'\n");
        assert_eq!(Case::project(&text).settled().prefix, expected);
    }
}

#[test]
fn variables_that_look_like_slips_are_named() {
    let case = Case::default()
        .with_variable("ORCHESTRATE_JOB", "3")
        .with_variable("ORCHESTRATE_TASK", "T1")
        .with_variable("ORCHESTRATE_LOG", "debug")
        .with_variable("ORCHESTRATE_SOMETHING_ELSE", "x")
        .with_variable("JOBS", "3");
    let warnings = case.settled().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].message, "`ORCHESTRATE_JOB` is set, and nothing looks at it");
    assert_eq!(warnings[0].hint.as_deref(), Some("did you mean `ORCHESTRATE_JOBS`?"));
}

#[test]
fn an_outer_run_is_seen_and_dropped() {
    let environment = Case::default()
        .with_variable("ORCHESTRATE_TASK", "T1")
        .with_variable("ORCHESTRATE_RUN", "01J")
        .with_variable("ORCHESTRATE_JOBS", "3")
        .environment;
    assert_eq!(inside_task(&environment), Some("T1"));
    let rest = without_outer_run(environment);
    assert_eq!((inside_task(&rest), rest.len()), (None, 1));
}

#[test]
fn what_this_version_does_not_do_is_said() {
    let settings = Case::project("[workspace]\nports = 3\n").settled();
    let messages: Vec<&str> = settings.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["`orchestrate.toml:2`: `workspace` is set, and this version does nothing with it"]);
    assert!(Case::project("[ownership]\nmode = 'enforce'\n").mistakes().contains("cannot be enforced"));
}

#[test]
fn paths_are_read_from_where_they_were_written() {
    let settings = Case::project("state_dir = '.agents'\n")
        .with_options(|options| options.report = vec![PathBuf::from("out/r.json")])
        .settled();
    assert_eq!(settings.state_dir, Path::new("/home/me/My.App/.agents"));
    assert_eq!(settings.reports, [Path::new("/home/me/My.App/src/out/r.json")]);
}

#[test]
fn rules_for_output_follow_the_arguments_they_were_written_for() {
    let with_preset = |text: &str| {
        Case::project(text).with_sources(|sources| {
            let mut mine = preset("gemini", AdapterKind::Program);
            mine.events = Some(EventRules::default());
            mine.resume_args = vec!["{session}".to_owned()];
            let mut presets = sources.presets.clone();
            presets[0] = mine;
            settings(&Sources { presets, ..sources.clone() }).unwrap().agents["gemini"].clone()
        })
    };
    let kept = with_preset("[agents.gemini]\nlimit = 1\n");
    assert!(kept.events.is_some() && kept.resume_args.len() == 1);
    let own = with_preset("[agents.gemini]\nargs = ['--output-format', 'text']\n");
    assert!(own.events.is_none() && own.resume_args.is_empty());
    let other = with_preset("[agents.gemini]\nkind = 'kilo'\n");
    assert!(other.events.is_none() && other.resume_args.is_empty() && !other.proved);
    let both = with_preset(
        "[agents.gemini]\nargs = ['x']\nevents = { session = 's' }\nsigns = [{ pattern = 'quota', kind = 'out_of_credits' }]\n",
    );
    assert!(both.events.is_some_and(|events| events.session.is_some()));
    assert_eq!(both.signs.len(), 1);
}

#[test]
fn output_is_described_for_programs_alone() {
    assert_eq!(
        Case::project(
            "[agents.kilo]\nsigns = [{ pattern = 'quota', kind = 'out_of_credits' }]\n[agents.mine]\nprogram = 'mine'\nresume_args = ['--resume']\n"
        )
        .mistakes(),
        "\
`orchestrate.toml:2`: the agent `kilo` has an adapter, which reads its output by itself
    leave out `signs`, `events` and `resume_args`, or describe a program under another name
`orchestrate.toml:4`: the agent `mine` goes on with a session, and no argument names it
    put `{session}` into `resume_args`"
    );
}
