//! Kills and power cuts at random moments of many uploads: what was acknowledged is whole, nothing
//! is half, and after gc nothing is left over.
//!
//! `WHIMBREL_KILLS` sets how often (20; 5 with a bucket), `WHIMBREL_SEED` repeats a run's choices. The process that
//! is killed is this test's own binary, which runs `the_process_that_is_killed`.

mod crash_model;
#[cfg(feature = "s3")]
mod s3_server;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crash_model::{Content, Model};
use faulty_fs::{ForgetfulFs, Random};
use media_store::{Receiving, Store, StoreConfig, StoreError, UploadSpec};

const KILLS: u64 = 20;
/// The store's own part is the same there; what differs is where objects go.
#[cfg(feature = "s3")]
const KILLS_WITH_BUCKET: u64 = 5;
const WRITERS: u64 = 8;
/// The longest that a process lives behind its first word.
const LIFE_MS_MAX: u64 = 400;
const SPEAKS_TIMEOUT: Duration = Duration::from_secs(10);
const FOLDER: &str = "WHIMBREL_CRASH_FOLDER";
const CHILD_SEED: &str = "WHIMBREL_CRASH_SEED";
#[cfg(feature = "s3")]
const ENDPOINT: &str = "WHIMBREL_CRASH_S3";
#[cfg(feature = "s3")]
const SECRET: &str = "WHIMBREL_CRASH_S3_SECRET";

#[test]
fn kills_lose_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let crashed = Crashed::local(folder.path().join("store"));
    let (mut random, kills) = start("kills", KILLS);
    let mut model = Model::default();
    for _ in 0..kills {
        let mut child = crashed.spawn(&crashed.root, random.next());
        model.hear(&kill_at_random(&mut child, &mut random, || ()));
        crashed.check(&mut model, &mut random);
    }
    crashed.end(&model);
}

#[cfg(feature = "s3")]
#[test]
fn kills_lose_nothing_that_a_bucket_holds() {
    let folder = tempfile::tempdir().unwrap();
    let server = s3_server::S3Server::start();
    let crashed = Crashed {
        root: folder.path().join("store"),
        bucket: Some(server.bucket()),
        config: StoreConfig { grace_hours: 0, ..server.config() },
        environment: vec![
            (ENDPOINT, server.endpoint().into()),
            (SECRET, server.secret().into_os_string()),
        ],
    };
    let (mut random, kills) = start("kills with a bucket", KILLS_WITH_BUCKET);
    let mut model = Model::default();
    for _ in 0..kills {
        let mut child = crashed.spawn(&crashed.root, random.next());
        model.hear(&kill_at_random(&mut child, &mut random, || ()));
        server.settle();
        crashed.check(&mut model, &mut random);
    }
    crashed.end(&model);
}

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    if !Path::new("/dev/fuse").exists() {
        eprintln!("skipped: power cuts need /dev/fuse");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (disk, mount) = (folder.path().join("disk"), folder.path().join("mount"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&mount).unwrap();
    let crashed = Crashed::local(disk.join("store"));
    let (mut random, cuts) = start("power cuts", KILLS);
    let mut model = Model::default();
    for cut in 0..cuts {
        let mounted = ForgetfulFs::mount(&disk, &mount).unwrap();
        let mut child = crashed.spawn(&mount.join("store"), random.next());
        // Once it is frozen nothing reaches the disk, and so nothing can be acknowledged.
        model.hear(&kill_at_random(&mut child, &mut random, || mounted.freeze()));
        // A disk may have written what nobody synced, in any order, or not.
        match cut % 2 {
            0 => mounted.power_cut().unwrap(),
            _ => mounted.power_cut_with(random.next()).unwrap(),
        }
        crashed.check(&mut model, &mut random);
    }
    crashed.end(&model);
}

/// Not a test of its own: many uploads at once, until it is killed.
#[test]
#[ignore = "run by the crash tests"]
fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let seed: u64 = std::env::var(CHILD_SEED).unwrap().parse().unwrap();
    let store = match Store::open(Path::new(&folder), &child_config()) {
        Ok(store) => store,
        // The power was cut before it stood.
        Err(error) => return eprintln!("open: {error}"),
    };
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                let mut writer = Writer {
                    store,
                    owner: format!("writer{writer}"),
                    random: Random::new(seed ^ (writer << 32)),
                };
                while writer.act().is_ok() {}
            });
        }
    });
}

/// One of the threads that upload. What it says on standard output was acknowledged.
struct Writer<'a> {
    store: &'a Store,
    owner: String,
    random: Random,
}

impl Writer<'_> {
    fn act(&mut self) -> Result<(), StoreError> {
        let content = Content::random(&mut self.random);
        match self.random.below(20) {
            0..8 => self.put(&content),
            8..16 => self.upload(&content),
            16..19 => self.forget(&content),
            _ => self.store.gc(self.store.now(), &mut ()).map(drop),
        }
    }

    fn put(&mut self, content: &Content) -> Result<(), StoreError> {
        let bytes = content.bytes();
        let spec = UploadSpec { len: Some(content.len), ..UploadSpec::by(&self.owner) };
        let mut upload = self.store.begin(spec)?;
        for piece in bytes.chunks(200_000) {
            upload.write(piece)?;
        }
        self.finish(upload)
    }

    /// An upload in chunks, which may be left in the middle and gone on with.
    fn upload(&mut self, content: &Content) -> Result<(), StoreError> {
        let bytes = content.bytes();
        let spec = UploadSpec {
            len: Some(content.len),
            resumable: true,
            metadata: Some(content.to_string()),
            ..UploadSpec::by(&self.owner)
        };
        let mut upload = self.store.begin(spec)?;
        let id = upload.id();
        say(&format!("begun {id} {content}"));
        while !upload.is_complete() {
            let from = upload.offset() as usize;
            let to = bytes.len().min(from + 1 + self.random.below(700_000) as usize);
            upload.write(&bytes[from..to])?;
            match self.random.below(8) {
                0 => drop(upload.rollback()?),
                1 => {
                    drop(upload);
                    upload = self.store.resume(&id)?;
                }
                2 if self.random.below(4) == 0 => return Ok(()),
                _ => say(&format!("offset {id} {}", upload.checkpoint()?)),
            }
        }
        self.finish(upload)
    }

    fn finish(&self, upload: Receiving) -> Result<(), StoreError> {
        let id = upload.id();
        let object = upload.finish()?;
        say(&format!("finished {id} {} {}", object.digest, self.owner));
        Ok(())
    }

    fn forget(&self, content: &Content) -> Result<(), StoreError> {
        let digest = content.digest();
        say(&format!("forgetting {digest} {}", self.owner));
        self.store.drop_reference(&digest, &self.owner)?;
        say(&format!("forgotten {digest} {}", self.owner));
        Ok(())
    }
}

/// Objects without a reference go at the next gc.
fn config() -> StoreConfig {
    StoreConfig { grace_hours: 0, ..StoreConfig::default() }
}

/// The configuration of the process that is killed.
fn child_config() -> StoreConfig {
    #[cfg(feature = "s3")]
    if let (Ok(endpoint), Some(secret)) = (std::env::var(ENDPOINT), std::env::var_os(SECRET)) {
        return StoreConfig { grace_hours: 0, ..s3_server::config(&endpoint, secret.into()) };
    }
    config()
}

fn start(what: &str, kills: u64) -> (Random, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed = number("WHIMBREL_SEED").unwrap_or_else(Random::seed);
    let kills = number("WHIMBREL_KILLS").unwrap_or(kills);
    eprintln!("{kills} {what}, WHIMBREL_SEED={seed}");
    (Random::new(seed), kills)
}

/// Lets the process live for a while, and gives what it said. Some die before they say a word.
fn kill_at_random(child: &mut Child, random: &mut Random, before: impl FnOnce()) -> Vec<String> {
    let is_early = random.below(5) == 0;
    let life = Duration::from_millis(random.below(LIFE_MS_MAX));
    let told = child.stdout.take().unwrap();
    let (spoke, speaks) = mpsc::channel();
    thread::scope(|scope| {
        let told = scope.spawn(move || lines(told, &spoke));
        if !is_early {
            // It may also end by itself, if it could not open the store.
            let _ = speaks.recv_timeout(SPEAKS_TIMEOUT);
        }
        thread::sleep(life);
        before();
        child.kill().unwrap();
        child.wait().unwrap();
        told.join().unwrap()
    })
}

/// Says on standard output, whole or not at all, what may now be relied on.
fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody hears a process that is about to be killed.
    let _ = out.write_all(format!("@ {what}\n").as_bytes());
    let _ = out.flush();
}

/// The whole lines that were said; what the test harness prints is not among them.
fn lines(told: impl std::io::Read, spoke: &mpsc::Sender<()>) -> Vec<String> {
    let mut told = BufReader::new(told);
    let mut lines = Vec::new();
    let mut line = String::new();
    while told.read_line(&mut line).unwrap() > 0 {
        // The harness does not end its own line before the first of ours.
        if let Some((_, said)) = line.trim_end_matches('\n').split_once("@ ")
            && line.ends_with('\n')
        {
            lines.push(said.to_owned());
            let _ = spoke.send(());
        }
        line.clear();
    }
    lines
}

/// A store that processes are killed over.
struct Crashed {
    /// Its folder, as it is found after the crash.
    root: PathBuf,
    /// Its bucket's folder, if its objects are in one.
    bucket: Option<PathBuf>,
    config: StoreConfig,
    /// What the process is told beside its folder.
    environment: Vec<(&'static str, OsString)>,
}

impl Crashed {
    fn local(root: PathBuf) -> Self {
        Self { root, bucket: None, config: config(), environment: Vec::new() }
    }

    /// Starts the process on the store, which it finds at `root`.
    fn spawn(&self, root: &Path, seed: u64) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, root)
            .env(CHILD_SEED, seed.to_string())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn check(&self, model: &mut Model, random: &mut Random) {
        let roots = self.roots();
        crash_model::check_files(&roots);
        let store = Store::open(&self.root, &self.config).unwrap();
        model.check(&store);
        model.go_on_with_some(&store, random);
        store.gc(store.now(), &mut ()).unwrap();
        model.check(&store);
        crash_model::check_no_leak(&roots, &store);
    }

    /// Gives everything back and looks whether anything stays.
    fn end(&self, model: &Model) {
        let (roots, store) = (self.roots(), Store::open(&self.root, &self.config).unwrap());
        eprintln!("{}; {:?}", model.summary(), store.stat().unwrap());
        model.give_back(&store, &roots);
        store.gc(store.now(), &mut ()).unwrap();
        assert_eq!(crash_model::files(&roots), Vec::<PathBuf>::new());
    }

    fn roots(&self) -> Vec<PathBuf> {
        [Some(self.root.clone()), self.bucket.clone()].into_iter().flatten().collect()
    }
}
