//! The command line: what can be said, and who does it.

use std::fs::File;
use std::path::{Path, PathBuf, absolute};

use clap::{Args, Parser, Subcommand};
use media_store::Clock;

use super::client::{ClientError, Door, Terminal};
use super::data::DataDir;
use super::lock::DataLock;
use super::request::{MediaPut, Report, Request};
use super::verify_web::VerifyWeb;
use super::{backup, doctor, media};
use crate::chat::accounts::command::{AccountCommand, Password};
use crate::config::{Config, ConfigError, Loaded};
use crate::edge::upload::token::{Grant, KeyError, Purpose, UploadTokens};

const HOUR_S: u64 = 3600;

/// A private messenger that anyone can run.
#[derive(Debug, Parser)]
#[command(name = "whimbrel", version)]
pub struct Cli {
    /// The configuration; without it config.toml of this folder, without that the defaults
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve, where no command is named.
    #[command(flatten)]
    pub serve: Serve,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server; without a file the defaults serve on localhost
    Serve(Serve),
    /// Compare the web app that a server gives with the one in this program
    VerifyWeb(VerifyWeb),
    /// Everything else.
    #[command(flatten)]
    Chore(Chore),
}

/// How to serve.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Serve {
    /// Take listeners and data over from the server that runs on this data_dir
    #[arg(long)]
    pub take_over: bool,
}

/// What is done beside serving.
#[derive(Debug, Subcommand)]
pub enum Chore {
    /// Validate the configuration: name each wrong key and its line
    Check,
    /// Try what the server needs from this machine, and say the fix
    Doctor(Doctor),
    /// Look after accounts
    #[command(subcommand)]
    Account(AccountChore),
    /// Look after the media
    #[command(subcommand)]
    Media(MediaCommand),
    /// Copy all data into a folder; the server may go on meanwhile
    Backup {
        /// A new or empty folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Copy a backup into an empty data_dir, while no server runs
    Restore {
        /// What `backup` made
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

/// What to try.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Only ask the running server whether every part serves (for a container's health check)
    #[arg(long)]
    pub health: bool,
}

/// Looking after accounts.
#[derive(Debug, Subcommand)]
pub enum AccountChore {
    /// Make an account and print its JID
    Add {
        /// Any possible number, with its country code
        number: String,
        /// Its password; `-` reads a line from the standard input. Without it, a code is needed
        #[arg(long)]
        password: Option<String>,
    },
    /// Show all accounts
    List,
    /// Delete an account and all that belongs to it
    Remove {
        /// A number, or an account's id or JID
        user: String,
    },
    /// Set the password; without one, print a random one
    Password {
        /// A number, or an account's id or JID
        user: String,
        /// The password; `-` reads a line from the standard input
        #[arg(long)]
        password: Option<String>,
    },
    /// Give an account another number, or take its own away
    Number {
        /// A number, or an account's id or JID
        user: String,
        /// The new number, with its country code. Without it, the account has none afterwards
        number: Option<String>,
    },
    /// Print all that is kept of an account, its passwords and tokens aside, as JSON
    Export {
        /// A number, or an account's id or JID
        user: String,
    },
    /// Show whom accounts have reported for spam or abuse
    Reports,
}

/// Looking after the media.
#[derive(Debug, Subcommand)]
pub enum MediaCommand {
    /// Put files in and print their digests
    Put {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The media type; without it each file's name decides
        #[arg(long = "type", value_name = "TYPE")]
        media_type: Option<String>,
        /// The account that refers to them
        #[arg(long, default_value = media::OWNER_DEFAULT)]
        owner: String,
    },
    /// Read all objects and compare them with their names
    Verify,
    /// Collect what nothing refers to
    Gc,
    /// Do a whole round of the background check now
    Scrub,
    /// Count objects, bytes and uploads
    Stat,
    /// Print a token that allows uploads by tus
    Token(Token),
}

/// What an upload token allows.
#[derive(Debug, Args)]
pub struct Token {
    /// The account that will refer to the objects
    #[arg(long, default_value = media::OWNER_DEFAULT)]
    pub owner: String,
    /// Bytes of all uploads together
    #[arg(long, default_value_t = 1 << 30, value_name = "BYTES")]
    pub bytes: u64,
    /// Uploads
    #[arg(long, default_value_t = 100)]
    pub count: u32,
    /// Hours within which uploads may begin
    #[arg(long, default_value_t = 24)]
    pub hours: u32,
}

/// Why a command failed: one line that says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The configuration.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The command.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The restore.
    #[error("{0}")]
    Backup(#[from] backup::BackupError),
    /// A file on the command line.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The key of upload tokens.
    #[error("the key of upload tokens: {0}")]
    Key(#[from] KeyError),
    /// The doctor has found something.
    #[error("{0} of the checks failed")]
    Unwell(usize),
    /// A restore needs the data for itself.
    #[error("a server runs on this data_dir; stop it before you restore")]
    ServerRuns,
}

/// Carries out a chore with the configuration of `file`.
pub fn run(chore: Chore, file: Option<&Path>) -> Result<(), CliError> {
    let loaded = Config::load(file)?;
    match chore {
        Chore::Check => check(&loaded),
        Chore::Doctor(doctor) => examine(&doctor, &loaded.config)?,
        Chore::Media(command) => run_media(command, &loaded.config)?,
        Chore::Account(command) => run_account(command, &loaded.config)?,
        Chore::Backup { folder } => {
            let folder = absolute(&folder).map_err(|reason| at(&folder, reason))?;
            open(&loaded.config)?.carry_out(&Request::Backup { folder }, None)?;
        }
        Chore::Restore { folder } => restore(&folder, &loaded.config)?,
    }
    Ok(())
}

fn check(loaded: &Loaded) {
    let mut terminal = Terminal::default();
    for note in &loaded.notes {
        terminal.line(format!("{}: {note}", loaded.origin));
    }
    terminal.line(format!("{}: fine", loaded.origin));
}

fn examine(doctor: &Doctor, config: &Config) -> Result<(), CliError> {
    let findings = match doctor.health {
        true => vec![doctor::health(config)],
        false => doctor::examine(config),
    };
    let mut terminal = Terminal::default();
    findings.iter().for_each(|finding| terminal.line(finding.to_string()));
    match findings.iter().filter(|finding| finding.is_failure()).count() {
        0 => Ok(()),
        failures => Err(CliError::Unwell(failures)),
    }
}

fn run_account(chore: AccountChore, config: &Config) -> Result<(), CliError> {
    let command_on = match chore {
        AccountChore::Add { number, password } => {
            AccountCommand::Add { number, password: read_password(password)? }
        }
        AccountChore::List => AccountCommand::List,
        AccountChore::Remove { user } => AccountCommand::Remove { user },
        AccountChore::Password { user, password } => {
            AccountCommand::Password { user, password: read_password(password)? }
        }
        AccountChore::Number { user, number } => AccountCommand::Number { user, number },
        AccountChore::Export { user } => AccountCommand::Export { user },
        AccountChore::Reports => AccountCommand::Reports,
    };
    Ok(open(config)?.carry_out(&Request::Account { command_on }, None)?)
}

/// What stands on the command line is seen by every user of the machine, hence `-`.
fn read_password(given: Option<String>) -> Result<Option<Password>, CliError> {
    let Some(given) = given else { return Ok(None) };
    if given != "-" {
        return Ok(Some(Password(given)));
    }
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|reason| at(Path::new("the standard input"), reason))?;
    Ok(Some(Password(line.trim_end_matches(['\r', '\n']).to_owned())))
}

fn run_media(command: MediaCommand, config: &Config) -> Result<(), CliError> {
    let request = match command {
        MediaCommand::Token(token) => return issue(&token, config),
        MediaCommand::Put { files, media_type, owner } => {
            let door = open(config)?;
            return files
                .iter()
                .try_for_each(|path| put(&door, path, media_type.clone(), owner.clone()));
        }
        MediaCommand::Verify => Request::MediaVerify,
        MediaCommand::Gc => Request::MediaGc,
        MediaCommand::Scrub => Request::MediaScrub,
        MediaCommand::Stat => Request::MediaStat,
    };
    Ok(open(config)?.carry_out(&request, None)?)
}

/// Needs the key only, so neither a server nor the data's lock.
fn issue(token: &Token, config: &Config) -> Result<(), CliError> {
    let Token { owner, bytes, count, hours } = token;
    let data = DataDir::new(&config.data_dir);
    data.make().map_err(|reason| at(data.root(), reason))?;
    let now = Clock::system().now();
    let grant = Grant {
        owner: owner.clone(),
        bytes_max: *bytes,
        count_max: *count,
        expected: None,
        reference_until: None,
        expires: now.plus(u64::from(*hours) * HOUR_S),
        purpose: Purpose::Tus,
    };
    let issued = UploadTokens::open(data.root())?.issue(&grant);
    let issued = issued.map_err(|reason| at(data.root(), reason))?;
    Terminal::default().line(issued);
    Ok(())
}

fn put(
    door: &Door,
    path: &Path,
    media_type: Option<String>,
    owner: String,
) -> Result<(), CliError> {
    let file = File::open(path).map_err(|reason| at(path, reason))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let put = MediaPut { name, media_type, owner };
    Ok(door.carry_out(&Request::MediaPut(put), Some(file))?)
}

fn restore(folder: &Path, config: &Config) -> Result<(), CliError> {
    let data = config.data();
    if data.is_served() {
        return Err(CliError::ServerRuns);
    }
    let _lock = DataLock::take(data.root()).map_err(ClientError::Lock)?;
    Ok(backup::restore(folder, &data, &mut Terminal::default())?)
}

fn open(config: &Config) -> Result<Door, CliError> {
    Ok(Door::open(config.data(), &config.media, config.account_desk())?)
}

fn at(path: &Path, reason: std::io::Error) -> CliError {
    CliError::File { path: path.to_owned(), reason }
}
