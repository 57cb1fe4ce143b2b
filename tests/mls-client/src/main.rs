//! `mls-client STATE COMMAND`: one step of a device. Messages go in and out as lines of base64.
//!
//! `mls-client - serve`: many devices, in memory. A request is a line, `NAME COMMAND… < INPUT…`, and
//! its answer one too: `ok` and what the command prints, or `error` and why, set apart by tabs.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use data_encoding::BASE64;
use mls_client::{Changes, Commit, Device, Error, Received};

/// A device of MLS in a file.
#[derive(Debug, Parser)]
struct Arguments {
    /// The device's file.
    state: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a device.
    New { account: String, device: String },
    /// Print a key package.
    KeyPackage {
        #[arg(long)]
        last_resort: bool,
    },
    /// Found a group; prints its group info.
    Create { group: String },
    /// Commit; prints commit, welcome (or `-`) and group info. Without changes: new own keys.
    Commit {
        group: String,
        /// A key package of a device that comes.
        #[arg(long)]
        add: Vec<String>,
        /// The identity of a leaf that goes.
        #[arg(long)]
        remove: Vec<String>,
    },
    /// The server has taken the commit.
    Accepted { group: String },
    /// The server has not taken the commit.
    Refused { group: String },
    /// Join by a Welcome with its tree, both from standard input.
    Join,
    /// Join from outside by a group info with its tree, both from standard input; prints a commit.
    JoinExternally,
    /// Forget a group.
    Forget { group: String },
    /// Encrypt what comes on standard input.
    Send { group: String },
    /// Take messages from standard input.
    Receive { group: String },
    /// Print epoch, exporter and members.
    Show { group: String },
    /// Print the group's tree.
    Tree { group: String },
    /// Take requests for many devices, which are in memory alone.
    Serve,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(lines) => {
            let text: String = lines.into_iter().map(|line| line + "\n").collect();
            match std::io::stdout().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("mls-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Vec<String>, Error> {
    let mut device = match &arguments.command {
        Command::New { account, device } => Device::new(account, device)?,
        Command::Serve => return serve(),
        _ => Device::open(&arguments.state)?,
    };
    let lines = step(&mut device, &arguments.command, &mut std::io::stdin())?;
    // What a message was made from must never be used again: first the file, then the message.
    device.save(&arguments.state)?;
    Ok(lines)
}

fn serve() -> Result<Vec<String>, Error> {
    let mut devices = BTreeMap::new();
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match take(&mut devices, &line?) {
            Ok(lines) => std::iter::once("ok".to_owned()).chain(lines).collect(),
            Err(error) => vec!["error".to_owned(), error.replace(['\n', '\t'], " ")],
        };
        writeln!(stdout, "{}", answer.join("\t"))?;
        stdout.flush()?;
    }
    Ok(Vec::new())
}

/// One request. The error is for people to read.
fn take(devices: &mut BTreeMap<PathBuf, Device>, line: &str) -> Result<Vec<String>, Box<str>> {
    let shown = |error: &dyn std::error::Error| error.to_string().into_boxed_str();
    let (words, input) = line.split_once(" < ").unwrap_or((line, ""));
    let words = std::iter::once("mls-client").chain(words.split(' '));
    let Arguments { state, command } =
        Arguments::try_parse_from(words).map_err(|error| shown(&error))?;
    if let Command::New { account, device } = &command {
        let made = Device::new(account, device).map_err(|error| shown(&error))?;
        devices.insert(state.clone(), made);
    }
    let device = devices.get_mut(&state).ok_or("there is no such device")?;
    step(device, &command, &mut input.as_bytes()).map_err(|error| shown(&error))
}

fn step(
    device: &mut Device,
    command: &Command,
    input: &mut dyn Read,
) -> Result<Vec<String>, Error> {
    match command {
        Command::New { .. } => Ok(vec![device.identity().to_owned()]),
        Command::KeyPackage { last_resort } => {
            device.key_package(*last_resort).map(|package| vec![BASE64.encode(&package)])
        }
        Command::Create { group } => {
            device.create(group.as_bytes()).map(|info| vec![BASE64.encode(&info)])
        }
        Command::Commit { group, add, remove } => {
            let add = add.iter().map(|package| decoded(package)).collect::<Result<_, _>>()?;
            let changes = Changes { add, remove: remove.clone() };
            device.commit(group.as_bytes(), &changes).map(|commit| shown(&commit))
        }
        Command::Accepted { group } => device.accepted(group.as_bytes()).map(|()| Vec::new()),
        Command::Refused { group } => device.refused(group.as_bytes()).map(|()| Vec::new()),
        Command::Join => {
            let [welcome, tree] = two_lines(input)?;
            let group = device.join(&welcome, &tree)?;
            Ok(vec![String::from_utf8_lossy(&group).into_owned()])
        }
        Command::JoinExternally => {
            let [info, tree] = two_lines(input)?;
            device.join_externally(&info, &tree).map(|commit| shown(&commit))
        }
        Command::Forget { group } => device.forget(group.as_bytes()).map(|()| Vec::new()),
        Command::Send { group } => {
            let mut text = Vec::new();
            input.read_to_end(&mut text)?;
            device.send(group.as_bytes(), &text).map(|message| vec![BASE64.encode(&message)])
        }
        Command::Receive { group } => receive(device, group.as_bytes(), input),
        Command::Show { group } => show(device, group.as_bytes()),
        Command::Tree { group } => {
            device.tree(group.as_bytes()).map(|tree| vec![BASE64.encode(&tree)])
        }
        Command::Serve => Err(Error::Unexpected { expected: "step of a device" }),
    }
}

fn receive(device: &mut Device, group: &[u8], input: &mut dyn Read) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for message in std::io::read_to_string(input)?.split_whitespace() {
        lines.push(match device.receive(group, &decoded(message)?)? {
            Received::Message { from, text } => {
                format!("{from}: {}", String::from_utf8_lossy(&text))
            }
            Received::Epoch(epoch) => format!("epoch {epoch}"),
            Received::Removed => "removed".to_owned(),
        });
    }
    Ok(lines)
}

fn show(device: &Device, group: &[u8]) -> Result<Vec<String>, Error> {
    let epoch = device.epoch(group).map_or("none".to_owned(), |epoch| epoch.to_string());
    let mut lines = vec![format!("epoch {epoch}")];
    lines.push(format!("exporter {}", BASE64.encode(&device.exporter(group, "compare")?)));
    lines.extend(device.members(group));
    Ok(lines)
}

fn shown(commit: &Commit) -> Vec<String> {
    let welcome = commit.welcome.as_ref().map_or("-".to_owned(), |bytes| BASE64.encode(bytes));
    vec![BASE64.encode(&commit.message), welcome, BASE64.encode(&commit.group_info)]
}

fn two_lines(input: &mut dyn Read) -> Result<[Vec<u8>; 2], Error> {
    let text = std::io::read_to_string(input)?;
    let mut lines = text.split_whitespace();
    let mut next = || decoded(lines.next().unwrap_or_default());
    Ok([next()?, next()?])
}

fn decoded(text: &str) -> Result<Vec<u8>, Error> {
    BASE64.decode(text.as_bytes()).map_err(|_| Error::Unexpected { expected: "line of base64" })
}
