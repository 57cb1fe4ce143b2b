//! `mls-client - serve`, as tests in other languages drive it.

use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn requests_are_lines_and_so_are_answers() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mls-client"))
        .args(["-", "serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let requests = "a new k7qm2xw4p9ab one\na create g\na show g\nb show g\na nonsense\n";
    child.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Vec<&str>> = answers.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(answers[0], ["ok", "k7qm2xw4p9ab/one"]);
    assert_eq!(answers[1][0], "ok");
    assert!(answers[2].contains(&"k7qm2xw4p9ab/one"), "{:?}", answers[2]);
    assert_eq!(answers[3], ["error", "there is no such device"]);
    assert_eq!(answers[4][0], "error");
    assert_eq!(answers.len(), 5);
}
