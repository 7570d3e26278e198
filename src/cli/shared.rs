//! The Redis that a command is to use: found, reached, or done without.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::settings::{Origin, RedisAsked};
use crate::scheduler::Input;
use crate::store::{Address, Mirror, RedisState, StoreError, dotenv};

/// How long a server may take to be there.
const REACH: Duration = Duration::from_secs(2);

/// What came of looking for a Redis.
pub enum Found<T> {
    /// Nobody asked for one.
    NotAsked,
    /// It is there.
    There(T),
    /// It is not to be had, and may be done without.
    Without(StoreError),
}

/// The Redis that a run is to be written to.
///
/// # Errors
/// If one was asked for that is needed and not to be had, or whose address is none.
pub fn mirror(context: &Context, seed: u64) -> Result<Found<Mirror>, CliError> {
    reach(context, |address| {
        let mirror = Mirror::open(address, context.key_ttl, seed, REACH)?;
        // A server may be there and yet take nothing: that has to be known before a run depends on it.
        mirror.try_to_write(&context.prefix)?;
        Ok(mirror)
    })
}

/// The Redis that is to be looked into.
///
/// # Errors
/// As for [`mirror`].
pub fn state(context: &Context) -> Result<Found<RedisState>, CliError> {
    reach(context, |address| RedisState::open(address, context.key_ttl, REACH))
}

fn reach<T>(
    context: &Context,
    open: impl FnOnce(Address) -> Result<T, StoreError>,
) -> Result<Found<T>, CliError> {
    let Some(asked) = &context.redis else { return Ok(Found::NotAsked) };
    match open(address(context, asked)?) {
        Ok(there) => Ok(Found::There(there)),
        Err(error) if !asked.required => Ok(Found::Without(error)),
        Err(error) => {
            let without = match &asked.origin {
                Origin::Option(option) => format!("leave `{option}` out"),
                Origin::Variable(name) => format!("unset `{name}`"),
                Origin::Project { .. } | Origin::User { .. } | Origin::Default => {
                    format!("take `[redis]` out of {}", asked.origin)
                }
            };
            let mut error = CliError::from(error);
            error.hints.push(format!(
                "to do without it {without}, or set `required = false` in `[redis]`: a run then goes on and says so"
            ));
            Err(error)
        }
    }
}

/// The password of the Redis that was asked for, in all its forms; empty: it has none, or there is no
/// such Redis.
pub fn secrets(context: &Context) -> Vec<String> {
    let address = context.redis.as_ref().map(|asked| address(context, asked));
    address.and_then(Result::ok).map(|address| address.secrets()).unwrap_or_default()
}

fn address(context: &Context, asked: &RedisAsked) -> Result<Address, CliError> {
    let file = std::fs::read_to_string(context.root.join(".env")).unwrap_or_default();
    Address::complete(&asked.url, &context.environment, &dotenv(&file)).map_err(|error| {
        CliError::new(asked.origin.exit_code(), format!("{}: {}", asked.origin, error.message))
            .hint(error.hint)
    })
}

/// What a run is told where it goes on without a Redis.
pub fn warning(error: &StoreError) -> Input {
    Input::Warn {
        code: "no-redis".to_owned(),
        message: format!("{error}; the run goes on without it"),
        hint: error.hints().into_iter().next(),
    }
}
