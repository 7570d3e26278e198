//! Reading what a person wrote in `deny`, and saying what is wrong with it.
//!
//! ```text
//!   paid via kilo        openai/*        model minimax/* at openrouter        layer 7
//! ```
//!
//! A ban is a row of conditions, and what it bans meets all of them: `paid` or `free`, `via AGENT`,
//! `at PROVIDER` (or `from`), `layer N`, `model NAME`; a name with `*`, `/` or a digit needs no `model`
//! before it. `anything` is no condition and may stand where it reads well. This module knows no
//! agents and providers: whether a name is one is for the caller to say.

use super::hierarchy::Ban;
use super::layer::Cost;

/// The words that may begin a condition.
pub const BAN_WORDS: [&str; 8] = ["paid", "free", "anything", "via", "at", "from", "layer", "model"];

/// Why a text is no ban.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has no condition.
    #[error("it bans everything")]
    Everything,
    /// A word that begins no condition.
    #[error("`{word}` is no word of a ban")]
    Unknown {
        /// The word.
        word: String,
    },
    /// Something has to follow a word.
    #[error("after `{word}` {wanted} is missing")]
    Incomplete {
        /// The word.
        word: String,
        /// What has to follow.
        wanted: &'static str,
    },
    /// What follows `layer` is no number of a layer.
    #[error("`{word}` is no number of a layer")]
    NoNumber {
        /// What follows.
        word: String,
    },
    /// Two conditions about the same.
    #[error("it says twice {what}")]
    Twice {
        /// About what.
        what: &'static str,
    },
}

impl Ban {
    /// Reads a ban as a person writes it.
    ///
    /// # Errors
    /// If a word begins no condition, a condition is not complete, or two are about the same.
    pub fn read(text: &str) -> Result<Self, BanError> {
        let mut ban = Self { text: text.split_whitespace().collect::<Vec<_>>().join(" "), ..Self::default() };
        let mut words = text.split_whitespace();
        let mut any = false;
        while let Some(word) = words.next() {
            any = true;
            let mut after = |wanted: &'static str| {
                let next = words.next().map(str::to_owned);
                next.ok_or_else(|| BanError::Incomplete { word: word.to_owned(), wanted })
            };
            match word.to_ascii_lowercase().as_str() {
                "paid" => once(&mut ban.cost, Cost::Paid, "whether it is paid or free")?,
                "free" => once(&mut ban.cost, Cost::Free, "whether it is paid or free")?,
                "anything" => {}
                "via" => once(&mut ban.agent, after("the name of an agent")?, "through which agent")?,
                "at" | "from" => {
                    once(&mut ban.provider, after("the name of a provider")?, "at which provider")?;
                }
                "layer" => {
                    let number = after("its number")?;
                    let layer: Option<u8> = number.parse().ok().filter(|layer| (1..=99).contains(layer));
                    let layer = layer.ok_or(BanError::NoNumber { word: number })?;
                    once(&mut ban.layer, layer, "which layer")?;
                }
                "model" => once(&mut ban.model, after("the name of a model")?, "which model")?,
                _ if looks_like_a_model(word) => once(&mut ban.model, word.to_owned(), "which model")?,
                _ => return Err(BanError::Unknown { word: word.to_owned() }),
            }
        }
        let empty = Self { text: ban.text.clone(), ..Self::default() };
        if !any {
            return Err(BanError::Empty);
        }
        if ban == empty || (ban.model.as_deref() == Some("*") && ban.has_no_condition_but_a_model()) {
            return Err(BanError::Everything);
        }
        Ok(ban)
    }

    const fn has_no_condition_but_a_model(&self) -> bool {
        self.cost.is_none() && self.layer.is_none() && self.agent.is_none() && self.provider.is_none()
    }
}

fn looks_like_a_model(word: &str) -> bool {
    word.contains(|letter: char| matches!(letter, '*' | '/' | ':') || letter.is_ascii_digit())
}

fn once<T>(place: &mut Option<T>, value: T, what: &'static str) -> Result<(), BanError> {
    if place.is_some() {
        return Err(BanError::Twice { what });
    }
    *place = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_says_what_it_bans() {
        let ban = |text: &str| Ban { text: text.to_owned(), ..Ban::default() };
        let some = |text: &str| Some(text.to_owned());
        for (text, wanted) in [
            ("paid", Ban { cost: Some(Cost::Paid), ..ban("paid") }),
            ("paid via kilo", Ban { cost: Some(Cost::Paid), agent: some("kilo"), ..ban("paid via kilo") }),
            ("openai/*", Ban { model: some("openai/*"), ..ban("openai/*") }),
            ("anything via cline", Ban { agent: some("cline"), ..ban("anything via cline") }),
            (
                "model minimax/* at openrouter",
                Ban {
                    model: some("minimax/*"),
                    provider: some("openrouter"),
                    ..ban("model minimax/* at openrouter")
                },
            ),
            ("layer 7", Ban { layer: Some(7), ..ban("layer 7") }),
            (
                "  FREE   from  groq ",
                Ban { cost: Some(Cost::Free), provider: some("groq"), ..ban("FREE from groq") },
            ),
            ("model big-pickle", Ban { model: some("big-pickle"), ..ban("model big-pickle") }),
            ("* via kilo", Ban { model: some("*"), agent: some("kilo"), ..ban("* via kilo") }),
            ("o3", Ban { model: some("o3"), ..ban("o3") }),
        ] {
            assert_eq!(Ban::read(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_ban_says_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("anything", "it bans everything"),
            ("*", "it bans everything"),
            ("piad via kilo", "`piad` is no word of a ban"),
            ("paid through kilo", "`through` is no word of a ban"),
            ("paid via", "after `via` the name of an agent is missing"),
            ("at", "after `at` the name of a provider is missing"),
            ("layer seven", "`seven` is no number of a layer"),
            ("layer 0", "`0` is no number of a layer"),
            ("paid free", "it says twice whether it is paid or free"),
            ("openai/* model o3", "it says twice which model"),
        ] {
            assert_eq!(Ban::read(text).unwrap_err().to_string(), why, "{text}");
        }
    }
}
