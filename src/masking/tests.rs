use proptest::prelude::*;

use super::*;

#[test]
fn keys_keep_a_start_that_tells_which_they_were() {
    for (text, masked) in [
        ("the key sk-abc123def456ghi789jkl012 is bad", "the key sk-*** is bad"),
        ("sk-ant-api03-Zx9Qw8Er7Ty6Ui5Op4As3Df2Gh1", "sk-***"),
        ("sk-proj-abcdefghijklmnopqrstuvwxyz", "sk-***"),
        ("sk-test-1234567890", "sk-***"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345.", "ghp_***."),
        ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz", "github_pat_***"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA***"),
        ("xoxb-123456789012-abcdefghijkl", "xoxb-***"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "AIza***"),
        ("gsk_abcdefghijklmnopqrstuvwxyz0123456789", "gsk_***"),
        ("glpat-ABCdef1234567890wxyz", "glpat-***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "eyJ***"),
        ("Authorization: Bearer abcdef1234567890", "Authorization: Bearer ***"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", "authorization: Basic ***"),
        ("curl -H 'Bearer a1b2c3d4e5f6'", "curl -H 'Bearer ***'"),
    ] {
        assert_eq!(mask(text), masked, "{text}");
    }
}

#[test]
fn values_of_secret_names_are_masked() {
    for (text, masked) in [
        ("OPENAI_API_KEY=sk-abc123def456ghi789", "OPENAI_API_KEY=sk-***"),
        ("export DB_PASSWORD=hunter2; run", "export DB_PASSWORD=***; run"),
        ("SENTRY_DSN=https://abc@sentry.io/1", "SENTRY_DSN=***"),
        ("AWS_SECRET='a b c'", "AWS_SECRET='***'"),
        ("MY_TOKEN=\"x\" next", "MY_TOKEN=\"***\" next"),
        ("{\"api_key\": \"abcd1234efgh5678\"}", "{\"api_key\": \"***\"}"),
        ("{\\\"api_key\\\":\\\"abcd1234efgh5678\\\"}", "{\\\"api_key\\\":\\\"***\\\"}"),
        ("{\"password\":\"hunter\"}", "{\"password\":\"***\"}"),
        ("?user=me&token=a1b2c3d4e5&x=1", "?user=me&token=***&x=1"),
        ("a=OPENAI_API_KEY=zzz", "a=OPENAI_API_KEY=***"),
        ("GOOGLE_CREDENTIALS=abc", "GOOGLE_CREDENTIALS=***"),
    ] {
        assert_eq!(mask(text), masked, "{text}");
    }
}

#[test]
fn passwords_in_addresses_are_masked() {
    for (text, masked) in [
        ("redis://default:s3cr3t@localhost:6379/0", "redis://default:***@localhost:6379/0"),
        ("redis://:s3cr3t@localhost", "redis://:***@localhost"),
        ("see https://me:pass%40word@example.org/x?y and", "see https://me:***@example.org/x?y and"),
    ] {
        assert_eq!(mask(text), masked, "{text}");
    }
}

#[test]
fn private_keys_are_masked_whole_or_cut() {
    let whole = "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb";
    assert_eq!(mask(whole), "a\n-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nb");
    let cut = "-----BEGIN PRIVATE KEY-----\nMIIE";
    assert_eq!(mask(cut), "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----");
    let public = "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----";
    assert_eq!(mask(public), public);
}

#[test]
fn ordinary_text_is_left_alone() {
    for text in [
        "the task-runner keeps risk-free tokens of gratitude",
        "sk-learn-like estimators, sk-learn-2024",
        "Bearer authentication is explained below; a bearer of good news",
        "token: the thing that a lexer returns",
        "let token = self.lexer.next_token();",
        "token=self.token",
        "sort_key: name, primary_key = id",
        "monkey=banana keyboard=qwerty",
        "key=value",
        "http://localhost:8080/a@b",
        "git@github.com:owner/repo.git",
        "https://example.org/a:b@c",
        "src/tokens.rs:12:5: error[E0425]: cannot find value `token`",
        "OPENAI_API_KEY is not set; export OPENAI_API_KEY=$OTHER or OPENAI_API_KEY=<your key>",
        "OPENAI_API_KEY=${OPENAI_API_KEY}",
        "password: required",
        "the secret: never give up",
        "01JGYK5F7C3Z8QX9V2B4N6M8P0",
        "verify: cargo test --all-targets -- --test-threads=4",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "eyJ is how base64 of a brace begins",
        "the AIza prefix and the AKIA prefix, ghp_ too",
        "api-key header: see X-Api-Key",
        "Authorization: required",
        "Die Prüfung der Schlüssel: erledigt – ok…",
    ] {
        assert_eq!(mask(text), text);
        assert!(matches!(mask(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn known_values_are_masked_whatever_their_shape() {
    let masker = Masker::new(
        ["plainword-secret", "plainword-secret-longer", "abc", "123456789", "production"].map(String::from),
    );
    assert_eq!(masker.mask("x plainword-secret-longer y plainword-secret z"), "x *** y *** z");
    assert_eq!(masker.mask("abc 123456789 production"), "abc 123456789 production");
    assert_eq!(masker.mask("sk-abc123def456ghi789jkl012"), "sk-***");
    assert_eq!(Masker::new([]).mask("nothing"), "nothing");
    assert_eq!(format!("{masker:?}"), "Masker { known: true }");
}

#[test]
fn secret_names_are_told_by_their_ends() {
    for name in
        ["OPENAI_API_KEY", "GH_TOKEN", "x_secret", "DB_PASSWORD", "G_CREDENTIALS", "SENTRY_DSN", "_KEY"]
    {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["KEY", "MONKEY", "TOKEN_PATH", "HOME", "", "KEY_ID", "é_"] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn terminal_sequences_are_taken_out() {
    for (text, plain) in [
        ("plain\ttext\nžluťoučký", "plain\ttext\nžluťoučký"),
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}]0;title\u{7}after", "after"),
        ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}]never ends\nnext", "\nnext"),
        ("\u{1b}(Bx\u{1b}7y\u{1b}=z", "xyz"),
        ("\u{9b}2Jx", "x"),
        ("a\r\nb\u{8}\u{0}c\u{7f}", "a\nbc"),
        ("abc\u{202e}def\u{2066}", "abcdef"),
        ("end\u{1b}", "end"),
        ("end\u{1b}[1;2", "end"),
    ] {
        assert_eq!(strip_controls(text), plain, "{text:?}");
    }
    assert!(matches!(strip_controls("as it is"), Cow::Borrowed(_)));
}

proptest! {
    #[test]
    fn masking_twice_changes_nothing_more(text in "(?s)(sk-|ghp_|API_KEY=|token: |Bearer |redis://u:|-----BEGIN PRIVATE KEY-----|\"|'|\\\\|[a-z0-9A-Z@ =:./\\n_ž*-]{0,12}){0,8}") {
        let once = mask(&text).into_owned();
        prop_assert_eq!(mask(&once), once.as_str());
    }

    #[test]
    fn nothing_a_terminal_would_act_on_remains(text in "(?s)(\u{1b}[\\[\\]P(]?|\u{9b}|[ -~]|.){0,40}") {
        let plain = strip_controls(&text).into_owned();
        prop_assert!(!plain.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        prop_assert_eq!(strip_controls(&plain), plain.as_str());
    }
}
