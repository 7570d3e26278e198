//! Where an alert goes: the address of a webhook or a command, as configured and as it is used.
//!
//! An address usually is a secret: it is written with `${NAME}` for a variable of the caller's, and shown
//! by its scheme and host alone.

use std::collections::BTreeMap;

use ureq::http::Uri;

use crate::model::alert::AlertForm;

/// Secrets shorter than this are not looked for in other texts.
const SHORTEST_SECRET: usize = 12;

/// A webhook that can be called.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: String,
    /// The form in which it is told.
    pub form: AlertForm,
    /// Where Telegram is to write.
    pub chat: Option<String>,
    token: Option<String>,
}

impl std::fmt::Debug for Webhook {
    /// The address is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("to", &shown(&self.url))
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// Why an address cannot be used: a fragment without the address, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

fn refused(message: impl Into<String>, hint: impl Into<String>) -> TargetError {
    TargetError { message: message.into(), hint: hint.into() }
}

impl Webhook {
    /// A webhook whose address and token are filled in. Without a form that of the host is taken, which
    /// is `json` where it is none of the services.
    ///
    /// # Errors
    /// If the address is none, or one that secrets must not be sent to.
    pub fn new(
        url: String,
        form: Option<AlertForm>,
        chat: Option<String>,
        token: Option<String>,
        allow_insecure: bool,
    ) -> Result<Self, TargetError> {
        check(&url, allow_insecure)?;
        let form = form.unwrap_or_else(|| form_of_host(&url));
        if form == AlertForm::Telegram && chat.is_none() {
            return Err(refused("a Telegram bot has to know where to write", "set `chat` to the chat's id"));
        }
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| (b'!'..=b'~').contains(&byte))) {
            return Err(refused(
                "`token` has characters that no token has",
                "look at the variable it comes from",
            ));
        }
        Ok(Self { url, form, chat, token })
    }

    /// The address as it is called. A secret.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What is sent as the bearer's token. A secret.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The address as it may be shown.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// Whether it is called on this machine.
    pub(super) fn is_local(&self) -> bool {
        self.url.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(is_loopback))
    }

    /// What of it must stand in no text: the address, the parts of it that are long enough to be a
    /// secret, the token.
    pub fn secrets(&self) -> Vec<String> {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let parts = path.split(['/', '?', '&', '=']).filter(|part| part.len() >= SHORTEST_SECRET);
        let mut secrets: Vec<String> = parts.map(str::to_owned).collect();
        secrets.push(self.url.clone());
        secrets.extend(self.token.clone());
        secrets
    }
}

/// Fills in `${NAME}`; `$$` is a dollar.
///
/// # Errors
/// If a variable is not set, or a name is not closed.
pub fn fill_in(text: &str, environment: &BTreeMap<String, String>) -> Result<String, TargetError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            let value = environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
            let Some(value) = value else {
                return Err(refused(format!("the variable `{name}` is not set"), format!("set `{name}`")));
            };
            filled.push_str(value);
            rest = after;
        } else {
            return Err(refused(
                "a `$` begins neither `${NAME}` nor `$$`",
                "write `${NAME}` for a variable and `$$` for a dollar",
            ));
        }
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Looks at an address. One in which a variable is still to be filled in is looked at as far as it can
/// be.
///
/// # Errors
/// If it is none, or one that secrets must not be sent to.
pub fn check(url: &str, allow_insecure: bool) -> Result<(), TargetError> {
    let example = "write it like `https://host/path`";
    let fixed = url.split('$').next().unwrap_or_default();
    let open = fixed.len() < url.len();
    let Some((scheme, rest)) = url.split_once("://") else {
        return if open { Ok(()) } else { Err(refused("it is no address of a webhook", example)) };
    };
    if open && fixed.len() < scheme.len() {
        return Ok(());
    }
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err(refused("its scheme is neither `https` nor `http`", example));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('$') {
        return Ok(());
    }
    if authority.contains('@') {
        return Err(refused(
            "it holds a user or a password",
            "give a token by `token = \"${NAME}\"`, which is sent as `Authorization: Bearer`",
        ));
    }
    let host = host_of(authority);
    if host.is_empty() || (!open && url.parse::<Uri>().is_err()) {
        return Err(refused("it is no address of a webhook", example));
    }
    if scheme == "http" && !allow_insecure && !is_loopback(host) {
        return Err(refused(
            "it is not encrypted, and goes to another machine",
            "use `https`, or set `allow_insecure = true` to send it in the clear",
        ));
    }
    Ok(())
}

/// The address without what may be secret in it.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let more = if rest.len() > authority.len() { "/…" } else { "" };
    format!("{scheme}://{authority}{more}")
}

fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn form_of_host(url: &str) -> AlertForm {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match host_of(authority).to_ascii_lowercase().as_str() {
        "hooks.slack.com" => AlertForm::Slack,
        "discord.com" | "discordapp.com" => AlertForm::Discord,
        "api.telegram.org" => AlertForm::Telegram,
        "ntfy.sh" => AlertForm::Ntfy,
        _ => AlertForm::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encrypted_or_of_this_machine() {
        for good in [
            "https://hooks.example/services/x",
            "http://localhost:8080/x",
            "http://127.0.0.1/",
            "http://127.9.9.9:1/x",
            "http://[::1]:8080/x",
            "${WHOLE}",
            "https://${HOST}/x",
            "https://hooks.example/${TOKEN}",
            "http://localhost/${TOKEN}",
        ] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://hooks.example/x", "not encrypted"),
            ("http://hooks.example/${TOKEN}", "not encrypted"),
            ("http://127.0.0.1.example/x", "not encrypted"),
            ("http://localhost.example/x", "not encrypted"),
            ("http://localhost@evil.example/x", "user or a password"),
            ("https://me:word@ntfy.example/t", "user or a password"),
            ("ftp://hooks.example/x", "neither"),
            ("hooks.example/x", "no address"),
            ("https:///x", "no address"),
            ("https://a b/x", "no address"),
        ] {
            let told = check(bad, false).unwrap_err().message;
            assert!(told.contains(why), "{bad}: {told}");
        }
        assert_eq!(check("http://hooks.example/x", true), Ok(()));
    }

    #[test]
    fn variables_are_filled_in() {
        let environment =
            BTreeMap::from([("TOKEN".to_owned(), " abc ".to_owned()), ("EMPTY".to_owned(), String::new())]);
        let filled = |text| fill_in(text, &environment).map_err(|error| error.message);
        assert_eq!(filled("https://h/${TOKEN}/x"), Ok("https://h/abc/x".to_owned()));
        assert_eq!(filled("a$$b"), Ok("a$b".to_owned()));
        assert_eq!(filled("${NOT}"), Err("the variable `NOT` is not set".to_owned()));
        assert_eq!(filled("${EMPTY}"), Err("the variable `EMPTY` is not set".to_owned()));
        assert!(filled("$TOKEN").is_err() && filled("${TOKEN").is_err());
    }

    #[test]
    fn only_scheme_and_host_are_shown() {
        let url = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";
        let webhook =
            Webhook::new(url.to_owned(), None, None, Some("tk_secret_value".to_owned()), false).unwrap();
        assert_eq!(webhook.form, AlertForm::Slack);
        assert_eq!(webhook.shown(), "https://hooks.slack.com/…");
        assert_eq!(format!("{webhook:?}"), "Webhook { to: \"https://hooks.slack.com/…\", form: Slack, .. }");
        let secrets = webhook.secrets();
        assert!(secrets.contains(&"XXXXXXXXXXXXXXXXXXXXXXXX".to_owned()));
        assert!(secrets.contains(&url.to_owned()) && secrets.contains(&"tk_secret_value".to_owned()));
        let telegram =
            Webhook::new("https://api.telegram.org/bot1:x/sendMessage".to_owned(), None, None, None, false);
        assert!(telegram.unwrap_err().hint.contains("chat"));
        let injected = Webhook::new("https://h/x".to_owned(), None, None, Some("a\r\nb".to_owned()), false);
        assert!(injected.is_err());
    }
}
