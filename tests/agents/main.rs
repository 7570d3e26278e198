//! The adapters: their command lines, their prompt, the recordings of the real programs read again,
//! and the real programs themselves against a scripted provider.

mod commands;
mod custom;
mod prompts;
mod real;
mod sample;
mod stalls;
mod transcripts;

#[path = "../support/real_agents.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod real_agents;
