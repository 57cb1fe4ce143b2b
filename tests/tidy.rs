//! Tidiness is a test: which part may know which, how long a file may be, how it begins, where
//! `unsafe` may stand, and which words may not.

use std::fs;
use std::path::{Path, PathBuf};

/// Hard limit; most files are far shorter.
const LINES_MAX: usize = 800;

/// Folders of other people's files or of the build.
const SKIPPED: [&str; 7] =
    ["target", "node_modules", ".venv", ".git", "corpus", "artifacts", "dist"];

/// What a part of `src/` must not name. Imports run one way: main, server, the parts, the cores.
const FORBIDDEN_IMPORTS: &[(&str, &[&str])] = &[
    ("src/telemetry", &["admin", "call", "chat", "config", "edge", "server", "supervisor"]),
    ("src/tls", &["admin", "call", "chat", "config", "edge", "server", "supervisor"]),
    ("src/supervisor", &["admin", "call", "chat", "config", "edge", "server"]),
    ("src/edge", &["admin", "call", "chat", "config", "server"]),
    ("src/chat", &["admin", "call", "config", "edge", "server"]),
    ("src/call", &["admin", "chat", "config", "edge", "server"]),
    ("src/admin", &["call", "chat", "server"]),
    ("src/config", &["server", "supervisor"]),
];

/// What is named nevertheless: the operator's commands work on the data itself.
const ALLOWED_IMPORTS: &[(&str, &str)] =
    &[("src/admin", "crate::chat::accounts::"), ("src/admin", "crate::chat::storage::")];

/// Crates that must not depend on one another: the cores, and what meets the server on the wire.
const FORBIDDEN_DEPENDENCIES: &[(&str, &[&str])] = &[
    ("media-store", &["whimbrel", "chat-core", "sfu-core"]),
    ("chat-core", &["whimbrel", "media-store", "sfu-core"]),
    ("sfu-core", &["whimbrel", "media-store", "chat-core"]),
    ("web", &["whimbrel", "media-store", "chat-core", "sfu-core"]),
    ("benches", &["whimbrel", "media-store", "chat-core", "sfu-core"]),
];

/// Modules that need `unsafe`, each for a reason that stands in it.
const UNSAFE_ALLOWED: &[&str] = &[
    "benches/src/cpu.rs",
    "src/admin/doctor/clock.rs",
    "src/call/udp/linux.rs",
    "src/edge/lane/ring/accept.rs",
    "src/edge/lane/ring/transfer.rs",
    "src/edge/lane/ring/uring.rs",
    "src/server/systemd.rs",
];

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let name = name_of(&file);
        let inside = |part: &str| {
            name.strip_prefix(part).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
        };
        let forbidden = FORBIDDEN_IMPORTS.iter().filter(|(part, _)| inside(part));
        for module in forbidden.flat_map(|(_, modules)| *modules) {
            let path = format!("crate::{module}::");
            let list = format!("crate::{module};");
            let is_allowed = |line: &str| {
                ALLOWED_IMPORTS.iter().any(|(part, path)| inside(part) && line.contains(path))
            };
            let names = |line: &&str| {
                !line.trim_start().starts_with("//")
                    && !is_allowed(line)
                    && (line.contains(&path) || line.contains(&list))
            };
            wrong.extend(read(&file).lines().filter(names).map(|line| format!("{name}: {line}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn crates_depend_one_way() {
    let mut wrong = Vec::new();
    for (folder, forbidden) in FORBIDDEN_DEPENDENCIES {
        let Ok(manifest) = fs::read_to_string(root().join(folder).join("Cargo.toml")) else {
            continue;
        };
        let manifest: toml::Table = manifest.parse().unwrap();
        // What a crate's tests start is not what it is built on.
        let tables = ["dependencies", "build-dependencies"].map(|table| manifest.get(table));
        let dependencies = tables.into_iter().flatten().filter_map(|table| table.as_table());
        for (name, value) in dependencies.flatten() {
            let package = value.get("package").and_then(|package| package.as_str());
            if forbidden.contains(&package.unwrap_or(name)) {
                wrong.push(format!("{folder} depends on {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_open_with_their_subject() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let (name, text) = (name_of(&file), read(&file));
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{name} has {lines} lines; {LINES_MAX} are allowed"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{name} does not open with //!"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_stands_in_named_modules_only() {
    let allows = ["allow", "expect"].map(|verb| format!("{verb}(unsafe_code"));
    let mut found: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| allows.iter().any(|allow| read(file).contains(allow)))
        .map(|file| name_of(&file))
        .filter(|name| !name.starts_with("tests/"))
        .collect();
    found.sort();
    assert_eq!(found, UNSAFE_ALLOWED);
}

#[test]
fn words_that_must_not_stay() {
    // Written in halves, so that this file does not hold them.
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X:"].concat(),
        ["/wo", "rk/"].concat(),
        ["/tmp/", "land"].concat(),
        ["as an AI ", "language"].concat(),
    ];
    let mut wrong = Vec::new();
    for file in
        files(&root(), &["rs", "toml", "md", "yml", "yaml", "sh", "ts", "js", "html", "conf"])
    {
        for (number, line) in read(&file).lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                wrong.push(format!("{}:{}: {word}", name_of(&file), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn rust_files() -> Vec<PathBuf> {
    files(&root(), &["rs"])
}

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        let is_skipped = SKIPPED.iter().any(|skipped| name == *skipped);
        if entry.file_type().unwrap().is_dir() && !is_skipped {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|of| extensions.iter().any(|one| of == *one)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()
}

fn name_of(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
