//! Whimbrel inside another program: serves a folder, puts an object in, and prints where both are.
//!
//! ```text
//! cargo run --example embedded -- FOLDER [--seconds N]
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use media_store::{Digest, Store, StoreError, UploadSpec};
use whimbrel::admin::request::ListenerRole;
use whimbrel::config::Config;
use whimbrel::server::Server;

/// Serves a folder.
#[derive(Parser)]
struct Arguments {
    /// What to serve; the data go to a folder beside the system's temporary files
    folder: PathBuf,
    /// Stop after so many seconds instead of waiting for ctrl-c
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let data = tempfile::tempdir()?;

    let mut config = Config { data_dir: data.path().to_owned(), ..Config::default() };
    // Port 0: the system chooses one that is free.
    config.http.listen = vec!["127.0.0.1:0".parse()?];
    config.http.listen_tls = vec![];
    config.xmpp.enabled = false;
    config.admin.listen = vec![];
    config.sites[0].root = arguments.folder;

    let running = Server::builder().config(config).start()?;
    let address = running.address(ListenerRole::Http).ok_or("nothing listens for HTTP")?;
    let digest = put(running.store(), b"hello from an object")?;
    println!("site:   http://{address}/");
    println!("object: http://{address}/media/{digest}");

    wait(arguments.seconds)?;
    running.stop();
    println!("stopped");
    Ok(())
}

fn put(store: &Store, bytes: &[u8]) -> Result<Digest, StoreError> {
    let name = Some("hello.txt".to_owned());
    let mut upload = store.begin(UploadSpec { name, ..UploadSpec::by("example") })?;
    upload.write(bytes)?;
    Ok(upload.finish()?.digest)
}

fn wait(seconds: Option<u64>) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => tokio::signal::ctrl_c().await?,
        }
        Ok(())
    })
}
