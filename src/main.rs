//! The `whimbrel` command: parse it, load the configuration, start, wait, stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use whimbrel::admin::cli::{self, Cli, Command, Serve};
use whimbrel::admin::verify_web;
use whimbrel::config::{Config, Loaded, Origin};
use whimbrel::edge::app::AppFile;
use whimbrel::server::Server;
use whimbrel::telemetry;

fn main() -> ExitCode {
    let Cli { config, command, serve } = Cli::parse();
    let done = match command {
        Some(Command::Chore(chore)) => {
            cli::run(chore, config.as_deref()).map_err(|error| error.to_string())
        }
        Some(Command::VerifyWeb(what)) => verify_web::run(what, &app())
            .map(|count| println!("the app is this program's: {count} files are the same"))
            .map_err(|error| error.to_string()),
        Some(Command::Serve(serve)) => {
            self::serve(serve, config).map_err(|error| error.to_string())
        }
        None => self::serve(serve, config).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("whimbrel: {message}");
            ExitCode::FAILURE
        }
    }
}

fn serve(serve: Serve, file: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let Loaded { config, origin, notes } = Config::load(file.as_deref())?;
    let logging = telemetry::init(&config.log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = %origin, "starting");
    for note in notes {
        tracing::info!("{note}");
    }
    let file = match origin {
        Origin::File(path) => Some(path),
        Origin::Defaults => None,
    };
    let running = Server::builder()
        .config(config)
        .app(app())
        .reload_from(file)
        .take_over(serve.take_over)
        .logging(logging)
        .daemon()
        .start()?;
    for (role, address) in running.addresses() {
        tracing::info!(%address, "listening for {}", role.name());
    }
    running.wait();
    Ok(())
}

/// The files of the web app, if it is part of this program.
#[cfg(feature = "web")]
fn app() -> Vec<AppFile> {
    let file = |&whimbrel_web::File { path, identity, brotli, gzip }: &_| AppFile {
        path,
        identity,
        brotli,
        gzip,
    };
    whimbrel_web::FILES.iter().map(file).collect()
}

#[cfg(not(feature = "web"))]
fn app() -> Vec<AppFile> {
    Vec::new()
}
