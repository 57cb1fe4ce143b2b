//! Gajim, a client on the desktop, with a screen that nobody sees (tests/clients/gajim_client.py).

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use crate::server::Account;
use crate::stage::{Stage, scenario};

/// Gajim does not start as root. Who that is on this machine then runs it as this user.
const NOBODY: u32 = 65534;
const PROGRAMS: [&str; 5] = ["gajim", "Xvfb", "dbus-daemon", "ffmpeg", "setpriv"];

struct Gajim {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Gajim {
    /// Starts it, and waits until it is logged in.
    fn start(stage: &Stage, account: &Account, folder: &Path) -> Self {
        let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
        let (home, script) = (folder.join("home"), folder.join("gajim_client.py"));
        let certificate = folder.join("server.pem");
        fs::create_dir(&home).unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        fs::copy(scripts.join("gajim_client.py"), &script).unwrap();
        fs::copy(stage.server.certificate(), &certificate).unwrap();
        let mut command = Command::new(if is_root { "setpriv" } else { "env" });
        if is_root {
            for path in [folder, &home, &script, &certificate] {
                chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let mut child = command
            // The system's own, which Gajim runs on too.
            .arg("/usr/bin/python3")
            .args([&script, &home])
            .args([&account.jid, &account.password])
            .arg(stage.server.doors.starttls.port().to_string())
            .arg(&certificate)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut gajim = Self { child, commands, answers };
        gajim.hear("online");
        gajim
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
        self.hear("ok");
    }

    /// The script ends with a reason on stderr where it cannot do what it is told.
    fn hear(&mut self, word: &str) {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), word);
    }

    fn end(self) {
        let Self { mut child, commands, .. } = self;
        drop(commands);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn gajim_chats_and_fetches_what_it_missed() {
    if let Some(missing) = PROGRAMS.iter().find(|program| !is_installed(program)) {
        return eprintln!("skipped: {missing} is not installed");
    }
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        anna.send(&account.jid, json!({ "body": "before Gajim came" }));
        anna.ask("sync", json!({}));
        let folder = tempfile::tempdir().unwrap();
        let mut gajim = Gajim::start(stage, &account, folder.path());
        gajim.tell("expect before Gajim came");
        gajim.tell(&format!("send {} from the desktop & <b> Grüße", anna.bare()));
        let got = anna.expect("message", json!({ "body": "from the desktop & <b> Grüße" }));
        assert!(got["from"].as_str().unwrap().starts_with(&account.jid), "{got}");
        anna.send(got["from"].as_str().unwrap(), json!({ "body": "to the desktop 🐦" }));
        gajim.tell("expect to the desktop 🐦");
        if let Ok(screenshots) = std::env::var("WHIMBREL_SCREENSHOTS") {
            let picture = folder.path().join("home/gajim.png");
            gajim.tell(&format!("screenshot {}", picture.display()));
            fs::copy(picture, Path::new(&screenshots).join("gajim.png")).unwrap();
        }
        gajim.end();
    });
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    found.is_ok_and(|it| it.status.success())
}
