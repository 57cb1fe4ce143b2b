//! The configuration, from text to mistakes.

use super::document::known_keys;
use super::*;
use crate::chat::external_services::ExternalServiceConfig;
use crate::chat::gateway::WebhookConfig;

const DEFAULT_FILE: &str = include_str!("../../config.toml");

/// `expected` is `ok`, or one line per mistake.
fn check(text: &str, expected: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let found = match Config::parse(text, folder.path()) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Wrong { problems, .. }) => problems,
        Err(error) => panic!("{error}"),
    };
    let found: Vec<String> = found.iter().map(Problem::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found:?} does not begin with {expected:?}");
    }
}

#[test]
fn nothing_is_a_configuration() {
    check("", &[]);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
    check(
        "domian = 'a'\n[http]\nlistn = []\n[htp]\n",
        &[
            "line 1: unknown key \"domian\"; did you mean \"domain\"?",
            "line 3: [http] unknown key \"listn\"; did you mean \"listen\"?",
            "line 4: unknown key \"htp\"; did you mean \"http\"?",
        ],
    );
}

#[test]
fn all_mistakes_are_named_at_once() {
    check(
        "data_dir = 1\n[log]\nformat = 'jsn'\nlevel = 3\n[admin]\nlisten = ['here']",
        &[
            "line 1: [data_dir] invalid type: integer",
            "line 3: [log] unknown variant `jsn`, expected one of `auto`, `human`, `json`; did you \
             mean \"json\"?",
            "line 4: [log] invalid type: integer",
            "line 6: [admin] invalid socket address syntax; write an address and a port, such",
        ],
    );
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    check("domain = 'a'\nlisten ;", &["line 2: "]);
}

#[test]
fn a_section_that_is_no_section() {
    check("http = 3", &["line 1: http is a section: write [http]"]);
    check("[site]\nroot = '.'", &["line 1: site is a list: write [[site]]"]);
}

#[test]
fn one_port_for_two() {
    check("[http]\nlisten = ['127.0.0.1:9090']", &["line 2: "]);
    check("[http]\nlisten = ['0.0.0.0:9090']", &["line 2: "]);
    check("[http]\nlisten = ['[::]:9090']", &["line 2: "]);
    check("[http]\nlisten = ['127.0.0.2:9090']", &[]);
    check("[http]\nlisten = ['127.0.0.1:0', '127.0.0.1:0']", &[]);
}

#[test]
fn hosts_and_roots_of_sites() {
    check(
        "[[site]]\nhosts = ['a.example']\nroot = '.'\n[[site]]\nhosts = ['A.example.']\nroot = 'no'",
        &["line 5: host \"a.example\" has a [[site]] in line 1 already", "line 6: [[site]] root "],
    );
}

#[test]
fn the_domain_is_the_apps() {
    check(
        "[[site]]\nhosts = ['LOCALHOST.']\nroot = '.'",
        &["line 2: host \"localhost\" belongs to the web app; name another, or set [web]"],
    );
    check("[web]\nenabled = false\n[[site]]\nhosts = ['localhost']\nroot = '.'", &[]);
}

#[test]
fn certificate_files_must_be_there() {
    check("[tls]\nmode = 'files'", &["line 1: [tls] mode = \"files\" needs `cert`"]);
    check(
        "[tls]\nmode = 'files'\ncert = 'no.pem'\nkey = 'no.key'",
        &["line 3: [tls] cert: ", "line 4: [tls] key: "],
    );
    check(
        "[tls]\nmode = 'files'\ncert = '/dev/null'\nkey = '/dev/null'",
        &["line 3: [tls] no certificate in /dev/null: "],
    );
    check("[push]\nca_file = 'no.pem'", &["line 2: [push] ca_file: "]);
}

#[test]
fn other_contradictions() {
    check("domain = 'a b'", &["line 1: domain = \"a b\" is not a host name"]);
    check("[log]\nlevel = 'x=loud'", &["line 2: level = \"x=loud\" is not a log filter"]);
    check("[xmpp]\nstanza_bytes_max = 1", &["line 2: [xmpp] stanza_bytes_max must be at least"]);
    check(
        "[[xmpp.external_service]]\ntype = 'stun'\nhost = ''",
        &["line 3: [xmpp] external_service 1: \"\" is no host"],
    );
    check("[media]\nupload_expiry_hours = 0", &["line 1: [media] upload_expiry_hours"]);
    check("[access_log]\nenabled = true\npath = 'no/a.log'", &["line 3: [access_log] path"]);
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    std::fs::write(folder.path().join("w.toml"), "data_dir = 'd'\n[access_log]\npath = 'a.log'")
        .unwrap();
    let config = Config::load(Some(&folder.path().join("w.toml"))).unwrap().config;
    assert_eq!(config.data_dir, folder.path().join("d"));
    assert_eq!(config.access_log.path, folder.path().join("a.log"));
    assert_eq!(config.sites[0].root, folder.path().join("www"));
}

#[test]
fn the_default_file_says_the_defaults() {
    let draft = read_document(DEFAULT_FILE).unwrap();
    assert_eq!((draft.config, draft.problems), (Config::default(), Vec::new()));
}

#[test]
fn the_default_file_has_every_key_with_a_comment() {
    let mut section = String::new();
    let mut commented = false;
    let mut keys = Vec::new();
    for line in DEFAULT_FILE.lines() {
        // A key without a default is written as `#key = example`.
        let bare = line.strip_prefix('#').unwrap_or(line);
        let header = bare.trim_start_matches('[');
        if bare.starts_with('[') {
            section = header.split(']').next().unwrap().to_owned();
        } else if let Some((key, _)) = bare.split_once(" = ").filter(|(key, _)| is_key(key)) {
            assert!(commented || line.contains(" # "), "{key} has no comment");
            keys.push(format!("{section}.{key}"));
        }
        commented = line.starts_with("# ");
    }
    let sections: [(&str, &[&str]); 16] = [
        ("runtime", known_keys::<RuntimeConfig>()),
        ("http", known_keys::<HttpConfig>()),
        ("tls", known_keys::<TlsConfig>()),
        ("site", known_keys::<SiteConfig>()),
        ("verification", known_keys::<VerificationConfig>()),
        ("verification.webhook", known_keys::<WebhookConfig>()),
        ("xmpp", known_keys::<XmppConfig>()),
        ("xmpp.external_service", known_keys::<ExternalServiceConfig>()),
        ("push", known_keys::<PushConfig>()),
        ("previews", known_keys::<PreviewsConfig>()),
        ("store", known_keys::<StoreConfig>()),
        ("media", known_keys::<MediaConfig>()),
        ("media.s3", known_keys::<media_store::S3Config>()),
        ("admin", known_keys::<AdminConfig>()),
        ("log", known_keys::<LogConfig>()),
        ("access_log", known_keys::<AccessLogConfig>()),
    ];
    for (section, known) in sections {
        assert!(!known.is_empty(), "[{section}] has no keys");
        for key in known {
            let key = format!("{section}.{key}");
            let subsection = format!("{key}.");
            let named = |name: &String| *name == key || name.starts_with(&subsection);
            assert!(keys.iter().any(named), "{key} is missing from config.toml");
        }
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
}
