//! The program as a user calls it: whole runs, their exit codes, files and words.

#![expect(
    let_underscore_drop,
    clippy::format_push_string,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test's panic is its failure; it reads the caller's PATH, and looks at what it needs of a result"
)]

#[path = "../support/project.rs"]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "other tests use more of it"))]
mod project;

mod agent_side;
mod alerts;
mod asked;
mod bad_input;
mod converting;
#[cfg(target_os = "linux")]
mod crashes;
mod custom_agents;
mod doctor;
mod folders;
#[cfg(target_os = "linux")]
mod full_disk;
mod going_on;
#[cfg(target_os = "linux")]
mod leftovers;
#[cfg(target_os = "linux")]
mod limits;
mod looking;
mod main_job;
mod many;
mod models;
mod money;
mod names;
#[cfg(target_os = "linux")]
mod old_journals;
#[cfg(unix)]
mod redis;
#[cfg(unix)]
mod redis_elsewhere;
#[cfg(unix)]
mod redis_faults;
#[cfg(unix)]
#[path = "../support/redis_proxy.rs"]
mod redis_proxy;
#[cfg(target_os = "linux")]
mod redis_rights;
#[cfg(unix)]
#[path = "../support/redis_server.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod redis_server;
#[cfg(unix)]
mod redis_user;
#[cfg(unix)]
mod reports;
#[cfg(target_os = "linux")]
mod resuming;
#[cfg(unix)]
mod sessions;
mod several_plans;
mod simulations;
mod spending;
#[cfg(unix)]
mod stalls;
mod verdicts;
mod ways_back;
#[path = "../support/webhook_server.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod webhook_server;
