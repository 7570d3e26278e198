//! One call of a webhook, and what came of it.
//!
//! A redirect is not followed: the address, and what is sent, are secrets that must not leave for another
//! host. Of an answer a few kilobytes are read at the most, within the time of the whole call.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

use crate::model::time::retry_after_seconds;

use super::forms::Outgoing;
use super::target::Webhook;
use super::text::{cut_chars, one_line};
use super::{Delivery, Failing};

/// How much of an answer is read.
const ANSWER: u64 = 4 * 1024;
/// How much of it is shown.
const SHOWN: usize = 200;
/// How large the headers of an answer may be.
const HEADERS: usize = 16 * 1024;

/// Calls one webhook.
#[derive(Debug)]
pub(super) struct Caller {
    agent: Agent,
    webhook: Webhook,
}

impl Caller {
    pub(super) fn new(webhook: Webhook, timeout: Duration) -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let mut config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_response_header_size(HEADERS)
            // A kept connection may be closed by then, which would look like a failure.
            .max_idle_connections(0)
            .user_agent(concat!("orchestrate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        if webhook.is_local() {
            config = config.proxy(None);
        }
        Self { agent: config.build().new_agent(), webhook }
    }

    /// Sends it once.
    pub(super) fn call(&self, outgoing: &Outgoing) -> Delivery {
        let mut request = self.agent.post(self.webhook.url());
        for (name, value) in &outgoing.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.webhook.token() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        match request.send(outgoing.body.as_bytes()) {
            Ok(mut response) => answered(&mut response),
            Err(error) => Delivery::Failed(failed(&error)),
        }
    }
}

fn answered(response: &mut Response<ureq::Body>) -> Delivery {
    let status = response.status();
    let code = status.as_u16();
    if status.is_success() {
        return Delivery::Delivered { status: Some(code) };
    }
    if status.is_redirection() {
        return Delivery::Failed(Failing {
            status: Some(code),
            why: format!("it answered {code}, a redirect to another address, which is not followed"),
            again: false,
            after: None,
        });
    }
    let mut bytes = Vec::new();
    // What came until the time was up, or the connection broke, is good enough for a message.
    let _read = response.body_mut().as_reader().take(ANSWER).read_to_end(&mut bytes);
    let words = String::from_utf8_lossy(&bytes);
    let again = status.is_server_error() || matches!(code, 408 | 425 | 429);
    let told = cut_chars(&one_line(&words), SHOWN);
    let told = if told.is_empty() { String::new() } else { format!(": {told}") };
    Delivery::Failed(Failing {
        status: Some(code),
        why: format!("it answered {code}{told}"),
        again,
        after: again.then(|| wanted_wait(response.headers(), &words)).flatten(),
    })
}

/// How long the service wants to be left alone, by its headers or, as Discord and Telegram say it too, by
/// its answer.
fn wanted_wait(headers: &HeaderMap, words: &str) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(seconds) = header("retry-after").and_then(|value| retry_after_seconds(value, header("date")))
    {
        return Some(Duration::from_secs(seconds));
    }
    let answer: serde_json::Value = serde_json::from_str(words).ok()?;
    let seconds = answer["retry_after"].as_f64().or_else(|| answer["parameters"]["retry_after"].as_f64())?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// What went wrong, in words that do not hold the address.
fn failed(error: &ureq::Error) -> Failing {
    let again = |why: String| Failing { status: None, why, again: true, after: None };
    let refused = |why: &str| Failing { status: None, why: why.to_owned(), again: false, after: None };
    #[expect(clippy::wildcard_enum_match_arm, reason = "another crate's errors, of which new ones may come")]
    match error {
        ureq::Error::Timeout(_) => again("it did not answer in time".to_owned()),
        ureq::Error::HostNotFound => again("its host is not known".to_owned()),
        ureq::Error::ConnectionFailed => again("it cannot be reached".to_owned()),
        ureq::Error::Io(error) => again(format!("it cannot be reached, or broke off: {}", error.kind())),
        ureq::Error::Tls(why) => again(format!("no encrypted connection: {why}")),
        ureq::Error::Rustls(why) => again(format!("no encrypted connection: {why}")),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => refused("its address cannot be called"),
        ureq::Error::LargeResponseHeader(..) => again("its answer is too large".to_owned()),
        _ => again("it did not answer as a web server does".to_owned()),
    }
}
