//! The web app's files, as Vite made them, for a program that serves them.

/// A file of the app.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path, with its first slash: `/index.html`.
    pub path: &'static str,
    /// Its bytes.
    pub identity: &'static [u8],
    /// The same in Brotli (RFC 7932), where that is smaller.
    pub brotli: Option<&'static [u8]>,
    /// The same in gzip (RFC 1952), where that is smaller.
    pub gzip: Option<&'static [u8]>,
}

/// All files of the app, sorted by path.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));
