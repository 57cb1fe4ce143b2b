//! Builds the web app by `npm ci` and Vite, and lists its files for `include_bytes!`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// What the app is made of, beside `node_modules`.
const SOURCES: [&str; 10] = [
    "build",
    "index.html",
    "package.json",
    "package-lock.json",
    "patches",
    "public",
    "src",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];
/// What `npm ci` installs by.
const LOCK: &str = "package-lock.json";
/// What was installed last; in `node_modules`, so that it goes with it.
const INSTALLED: &str = "node_modules/.installed";
/// The oldest Node that Vite works with.
const NODE_MAJOR_MIN: u32 = 20;
const WITHOUT: &str = "or leave the app out: --no-default-features --features s3";

fn main() {
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Err(error) = build() {
        println!("cargo::error=the web app cannot be built: {error}");
        std::process::exit(1);
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let dist = out.join("dist");
    check_node()?;
    install()?;
    run("node", &["node_modules/vite/bin/vite.js", "build", "--emptyOutDir", "--outDir"], &dist)?;
    run("node", &["build/compress.js"], &dist)?;
    fs::write(out.join("files.rs"), list(&dist)?)?;
    Ok(())
}

fn check_node() -> Result<(), Box<dyn Error>> {
    let advice = format!("install Node {NODE_MAJOR_MIN} or newer, with npm, {WITHOUT}");
    let asked = Command::new("node").arg("--version").output();
    let version = match asked {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!("there is no Node; {advice}").into());
        }
        Err(error) => return Err(error.into()),
    };
    let major = version.trim_start_matches('v').split('.').next().unwrap_or_default();
    match major.parse::<u32>() {
        Ok(major) if major >= NODE_MAJOR_MIN => Ok(()),
        _ => Err(format!("Node {version} is too old; {advice}").into()),
    }
}

/// `npm ci`, unless just that is installed.
fn install() -> Result<(), Box<dyn Error>> {
    let mut wanted = fs::read(LOCK)?;
    let patches: io::Result<Vec<_>> = fs::read_dir("patches")?.collect();
    for patch in patches? {
        wanted.extend(fs::read(patch.path())?);
    }
    if fs::read(INSTALLED).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run("npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"], Path::new(""))?;
    fs::write(INSTALLED, wanted)?;
    Ok(())
}

/// Runs a program; what it says is shown where it fails.
fn run(program: &str, arguments: &[&str], last: &Path) -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(program);
    command.args(arguments);
    if !last.as_os_str().is_empty() {
        command.arg(last);
    }
    let output = command.output().map_err(|error| format!("{program}: {error}; {WITHOUT}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // Cargo shows what is not an instruction to it only by -vv, and errors line by line.
    for line in said.lines() {
        println!("cargo::error={line}");
    }
    Err(format!("{program} {} failed ({})", arguments.join(" "), output.status).into())
}

/// The files as a Rust expression.
fn list(dist: &Path) -> Result<String, Box<dyn Error>> {
    let mut paths = Vec::new();
    collect(dist, &mut paths)?;
    paths.sort();
    let mut list = String::from("&[\n");
    for path in &paths {
        let name = path.strip_prefix(dist)?.to_str().ok_or("a file's name is not UTF-8")?;
        if name.ends_with(".br") || name.ends_with(".gz") {
            continue;
        }
        let coded = |suffix: &str| {
            let path = dist.join(format!("{name}{suffix}"));
            match path.exists() {
                true => format!("Some(include_bytes!({path:?}))"),
                false => "None".to_owned(),
            }
        };
        writeln!(
            list,
            "File {{ path: {:?}, identity: include_bytes!({path:?}), brotli: {}, gzip: {} }},",
            format!("/{name}"),
            coded(".br"),
            coded(".gz"),
        )?;
    }
    list.push_str("]\n");
    Ok(list)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), paths)?,
            false => paths.push(entry.path()),
        }
    }
    Ok(())
}
