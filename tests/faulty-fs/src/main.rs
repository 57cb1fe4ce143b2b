//! `faulty-fs MODE BACKING MOUNTPOINT`: a file system that fails on purpose, told how by lines on
//! its input.

fn main() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    return faulty_fs::serve_from_arguments(std::env::args_os().skip(1));
    #[cfg(not(target_os = "linux"))]
    Err(std::io::ErrorKind::Unsupported.into())
}
