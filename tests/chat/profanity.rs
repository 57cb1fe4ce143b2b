//! profanity, a client in a terminal: driven through tmux as a person would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::Account;
use crate::stage::{Stage, scenario};

const WAIT: Duration = Duration::from_secs(20);

/// A terminal that profanity runs in; both end when the test drops it.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts profanity; what it keeps lies in `home`.
    fn start(home: &Path) -> Self {
        let terminal = Self { socket: home.join("tmux.sock") };
        let folder = |name: &str| format!("{name}={}", home.join(name).display());
        let environment = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(folder);
        let mut program = vec!["env", "-u", "TMUX", "LC_ALL=C.UTF-8"];
        program.extend(environment.iter().map(String::as_str));
        program.push("profanity");
        let mut arguments = vec!["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40"];
        arguments.extend(program);
        let started = terminal.tmux(&arguments);
        assert!(started.status.success(), "{started:?}");
        terminal.wait_for("Type '/help' to show");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().unwrap()
    }

    fn enter(&self, line: &str) {
        assert!(self.tmux(&["send-keys", "-l", line]).status.success(), "{line}");
        assert!(self.tmux(&["send-keys", "Enter"]).status.success(), "{line}");
    }

    fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    fn wait_for(&self, text: &str) {
        let begun = Instant::now();
        while !self.screen().contains(text) {
            assert!(begun.elapsed() < WAIT, "no {text:?} on\n{}", self.screen().trim());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_in(&self, stage: &Stage, account: &Account) {
        self.enter("/history on");
        let port = stage.server.doors.starttls.port();
        self.enter(&format!("/connect {} server 127.0.0.1 port {port} tls trust", account.jid));
        self.wait_for("Enter password:");
        self.enter(&account.password);
        self.wait_for("logged in successfully");
    }

    fn quit(self) {
        self.enter("/quit");
        let begun = Instant::now();
        while self.tmux(&["has-session"]).status.success() {
            assert!(begun.elapsed() < WAIT, "it does not quit:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn profanity_chats_and_shows_after_a_restart_what_was_said() {
    if !is_installed() {
        return eprintln!("skipped: profanity and tmux are not installed");
    }
    scenario(|stage| {
        let home = tempfile::tempdir().unwrap();
        let (anna, account) = (stage.someone(), stage.server.account());
        let terminal = Terminal::start(home.path());
        terminal.log_in(stage, &account);
        terminal.enter(&format!("/msg {} from the terminal & <b>", anna.bare()));
        let from =
            anna.expect("message", json!({ "body": "from the terminal & <b>" }))["from"].clone();
        assert!(from.as_str().unwrap().starts_with(&account.jid), "{from}");
        anna.send(&account.jid, json!({ "body": "to the terminal: Grüße" }));
        terminal.wait_for("to the terminal: Grüße");
        terminal.quit();

        anna.send(&account.jid, json!({ "body": "while it was off" }));
        anna.ask("sync", json!({}));
        let terminal = Terminal::start(home.path());
        terminal.log_in(stage, &account);
        terminal.enter(&format!("/msg {}", anna.bare()));
        for said in ["from the terminal & <b>", "to the terminal: Grüße", "while it was off"] {
            terminal.wait_for(said);
        }
        terminal.quit();
    });
}

fn is_installed() -> bool {
    [("profanity", "--version"), ("tmux", "-V")].iter().all(|(program, flag)| {
        Command::new(program).arg(flag).output().is_ok_and(|it| it.status.success())
    })
}
