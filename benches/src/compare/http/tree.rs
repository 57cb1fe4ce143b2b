//! The files that all servers of a comparison serve, and their one certificate.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::BenchError;

/// A temporary folder with files, certificate and the servers' own folders; removed at the end.
#[derive(Debug)]
pub struct Workplace {
    folder: TempDir,
}

impl Workplace {
    /// Writes the files and a certificate.
    ///
    /// # Errors
    /// There is no room in the temporary folder.
    pub fn create() -> Result<Self, BenchError> {
        let folder = tempfile::Builder::new()
            .prefix("whimbrel-bench-")
            .tempdir()
            .map_err(BenchError::io("making a temporary folder"))?;
        let place = Self { folder };
        place.write().map_err(BenchError::file(place.path()))?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        for (path, pem) in [
            (place.certificate(), made.cert.pem()),
            (place.key(), made.signing_key.serialize_pem()),
        ] {
            fs::write(&path, pem).map_err(BenchError::file(&path))?;
        }
        Ok(place)
    }

    /// The folder of everything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The document root.
    pub fn root(&self) -> PathBuf {
        self.path().join("www")
    }

    /// The certificate (ECDSA P-256), PEM.
    pub fn certificate(&self) -> PathBuf {
        self.path().join("cert.pem")
    }

    /// Its private key, PEM.
    pub fn key(&self) -> PathBuf {
        self.path().join("key.pem")
    }

    fn write(&self) -> io::Result<()> {
        // Workers that give up root must reach the files.
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(self.root())?;
        let mut random = fastrand::Rng::with_seed(CONTENT_SEED);
        let mut block = vec![0; BLOCK_BYTES];
        for (name, bytes) in FILES {
            let mut file = fs::File::create(self.root().join(name))?;
            let mut left = *bytes;
            while left > 0 {
                random.fill(&mut block);
                let part = left.min(BLOCK_BYTES);
                file.write_all(&block[..part])?;
                left -= part;
            }
        }
        Ok(())
    }

    /// Reads all files once: each is whole in the page cache, whatever the rows' order.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn warm(&self) -> Result<(), BenchError> {
        for (name, _) in FILES {
            let path = self.root().join(name);
            let copied = fs::File::open(&path).and_then(|mut f| io::copy(&mut f, &mut io::sink()));
            copied.map_err(BenchError::file(&path))?;
        }
        Ok(())
    }
}

/// Names and sizes, in bytes.
const FILES: &[(&str, usize)] = &[
    ("1k.bin", 1024),
    ("16k.bin", 16 * 1024),
    ("100k.bin", 100 * 1024),
    ("1m.bin", 1024 * 1024),
    ("100m.bin", 100 * 1024 * 1024),
];
const BLOCK_BYTES: usize = 1024 * 1024;
const CONTENT_SEED: u64 = 2026;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_behind() {
        let place = Workplace::create().unwrap();
        place.warm().unwrap();
        assert_eq!(fs::metadata(place.root().join("16k.bin")).unwrap().len(), 16_384);
        let path = place.path().to_owned();
        drop(place);
        assert!(!path.exists());
    }
}
