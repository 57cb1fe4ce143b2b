//! The commands, with a running server and without one.

mod process;

use std::fs;
use std::path::Path;

use process::{CONFIG, Process, command, get, run, run_badly, run_well};

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
    folder
}

/// Puts a file in, looks after the store, and backs it up.
fn look_after_media(folder: &Path, backup: &str) {
    fs::write(folder.join("note.txt"), "hello").unwrap();
    let put = run_well(folder, &["media", "put", "note.txt"]);
    let digest = "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f";
    assert_eq!(put, format!("{digest}  note.txt\n"));
    assert!(run_well(folder, &["media", "stat"]).starts_with("objects   1\nbytes     5 "));
    assert_eq!(run_well(folder, &["media", "verify"]), "1 objects, 5 B: all whole\n");
    assert!(run_well(folder, &["media", "token", "--bytes", "9"]).starts_with("1."));
    assert_eq!(run_well(folder, &["media", "scrub"]), "5 B read: all whole\n");
    assert!(run_well(folder, &["media", "gc"]).starts_with("collected 0 objects"));
    let told = run_well(folder, &["backup", backup]);
    // A server that ran has chats too, which are told of first.
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("1 objects, 5 B in "), "{told}");
}

/// Makes an account, changes it, and removes it.
fn look_after_accounts(folder: &Path) {
    let added =
        run_well(folder, &["account", "add", "+15550100123", "--password", "correct horse"]);
    let jid = added.trim_end();
    assert!(jid.ends_with("@localhost") && jid.len() == 22, "{jid}");
    let taken = run_badly(folder, &["account", "add", "+1 555 010 0123"]);
    assert!(taken.contains(&format!("is the number of {jid}")), "{taken}");
    run_well(folder, &["account", "number", jid, "+15550100124"]);
    let listed = run_well(folder, &["account", "list"]);
    assert_eq!(listed, format!("{jid}  +15550100124\n"));
    assert_eq!(run_well(folder, &["account", "password", "+15550100124"]).len(), 24);
    let export = run_well(folder, &["account", "export", jid]);
    let export: serde_json::Value = serde_json::from_str(&export).unwrap();
    assert_eq!((&export["number"], &export["jid"]), (&"+15550100124".into(), &jid.into()));
    let full = fs::File::create("/dev/full").unwrap();
    let cut = command(folder, &["account", "export", jid]).stdout(full).output().unwrap();
    let told = String::from_utf8_lossy(&cut.stderr);
    assert!(!cut.status.success() && told.contains("the output is not whole: No space"), "{told}");
    run_well(folder, &["account", "remove", jid]);
    let gone = run_badly(folder, &["account", "remove", jid]);
    assert!(gone.contains("there is no account"), "{gone}");
    assert_eq!(run_well(folder, &["account", "list"]), "");
}

#[test]
fn accounts_are_looked_after_without_a_server_and_with_one() {
    let folder = folder();
    look_after_accounts(folder.path());
    let _server = Process::serve(folder.path(), &[]);
    look_after_accounts(folder.path());
}

#[test]
fn media_are_looked_after_without_a_server() {
    let folder = folder();
    look_after_media(folder.path(), "backup");
    let again = run_badly(folder.path(), &["backup", "backup"]);
    assert!(again.ends_with("is not empty; name a new folder"), "{again}");

    let there = run_badly(folder.path(), &["restore", "backup"]);
    assert!(there.contains("holds chats or media already"), "{there}");
    fs::rename(folder.path().join("data"), folder.path().join("lost")).unwrap();
    run_well(folder.path(), &["restore", "backup"]);
    assert_eq!(run_well(folder.path(), &["media", "verify"]), "1 objects, 5 B: all whole\n");

    fs::remove_file(folder.path().join("backup/backup.json")).unwrap();
    let broken = run_badly(folder.path(), &["restore", "backup"]);
    assert!(broken.contains("holds no whole backup"), "{broken}");
}

#[test]
fn a_server_serves_and_its_media_are_looked_after() {
    let folder = folder();
    let server = Process::serve(folder.path(), &[]);
    look_after_media(folder.path(), "backup");
    let health = run_well(folder.path(), &["doctor", "--health"]);
    assert!(health.starts_with("ok    server: ") && health.ends_with(" parts serve\n"), "{health}");
    assert_eq!(get(server.address("admin"), "/healthz"), (200, "serving\n".to_owned()));
    let (status, metrics) = get(server.address("admin"), "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nwhimbrel_build_info{version="), "{metrics}");
    assert_eq!(get(server.address("admin"), "/").0, 404);

    let second = run_badly(folder.path(), &["serve"]);
    assert!(second.contains(&format!("another whimbrel (process {})", server.pid())), "{second}");
    let restore = run_badly(folder.path(), &["restore", "backup"]);
    assert!(restore.ends_with("stop it before you restore"), "{restore}");
    server.stop();
    assert!(!folder.path().join("data/admin.sock").exists());
    assert!(run_badly(folder.path(), &["doctor", "--health"]).contains("checks failed"));
}

#[test]
fn the_web_app_of_a_server_is_compared() {
    let folder = folder();
    let with_app = CONFIG.replace("enabled = false", "enabled = true");
    fs::write(folder.path().join("config.toml"), with_app).unwrap();
    let server = Process::serve(folder.path(), &[]);
    let port = server.address("http").port();
    let same = run_well(folder.path(), &["verify-web", &format!("http://localhost:{port}")]);
    assert!(same.ends_with(" files are the same\n"), "{same}");
    // The site beside the app has other files.
    let other = run_badly(folder.path(), &["verify-web", &format!("http://127.0.0.1:{port}")]);
    assert!(other.contains(" files differ: "), "{other}");
}

#[test]
fn mistakes_are_one_line_that_says_what_to_do() {
    let folder = folder();
    let path = folder.path();
    let none = run_badly(path, &["check", "-c", "absent.toml"]);
    assert!(none.contains("absent.toml") && none.contains("-c"), "{none}");
    fs::write(path.join("wrong.toml"), "[http]\nlistn = []\n").unwrap();
    let wrong = run_badly(path, &["check", "-c", "wrong.toml"]);
    let expected = "wrong.toml: line 2: [http] unknown key \"listn\"; did you mean \"listen\"?";
    assert!(wrong.ends_with(expected), "{wrong}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = CONFIG.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    fs::write(path.join("taken.toml"), config).unwrap();
    let in_use = run_badly(path, &["-c", "taken.toml"]);
    assert!(in_use.contains("another program listens there; stop it"), "{in_use}");
    let doctor = run(path, &["doctor", "-c", "taken.toml"]);
    let findings = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{findings}");
    assert!(findings.contains(&format!("fail  http.listen 127.0.0.1:{port}")), "{findings}");

    let nobody = run_badly(path, &["--take-over"]);
    assert!(nobody.contains("no server runs on data_dir"), "{nobody}");
    let missing = run_badly(path, &["media", "put", "absent.jpg"]);
    assert!(missing.contains("absent.jpg: No such file"), "{missing}");
    assert_eq!(run(path, &["nonsense"]).status.code(), Some(2));
}

#[test]
fn a_reload_reopens_the_log_and_names_what_must_wait() {
    let folder = folder();
    let file = folder.path().join("config.toml");
    let with_log = format!("{CONFIG}[access_log]\nenabled = true\npath = \"access.log\"\n");
    fs::write(&file, &with_log).unwrap();
    let mut server = Process::serve(folder.path(), &[]);
    get(server.address("http"), "/before");
    let (log, old) = (folder.path().join("access.log"), folder.path().join("old.log"));
    fs::rename(&log, &old).unwrap();
    fs::write(&file, with_log.replace("[http]", "[http]\nkeep_alive_timeout_s = 5")).unwrap();
    server.signal("HUP");
    server.wait_for("\"reloaded\"");
    server.wait_for("\"keys\":\"[http]\"");
    while !log.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    get(server.address("http"), "/after");
    fs::write(&file, "wrong").unwrap();
    server.signal("HUP");
    server.wait_for("not reloaded: config.toml: line 1");
    server.stop();
    let lines = |path| fs::read_to_string(path).unwrap();
    assert!(lines(&old).contains("GET /before"), "{}", lines(&old));
    assert!(lines(&log).contains("GET /after"), "{}", lines(&log));
}

#[test]
fn chats_are_backed_up_and_restored() {
    use whimbrel::chat::storage::Offline;
    let folder = folder();
    let account = chat_core::jid::AccountId::from_random(7);
    let database = folder.path().join("data/chat.db");
    fs::create_dir(folder.path().join("data")).unwrap();
    let number = Some("+15550100123".into());
    let create =
        chat_core::transaction::Write::CreateAccount { account, number, created_unix_ms: 1 };
    Offline::open(&database).unwrap().commit(&[create]).unwrap();
    assert!(run_well(folder.path(), &["backup", "backup"]).starts_with("chats, "));

    let there = run_badly(folder.path(), &["restore", "backup"]);
    assert!(there.contains("holds chats or media already"), "{there}");
    fs::rename(folder.path().join("data"), folder.path().join("lost")).unwrap();
    run_well(folder.path(), &["restore", "backup"]);
    let found = Offline::open(&database).unwrap().reader().find("+15550100123", &[]).unwrap();
    assert_eq!(found.unwrap().account, account);
}
