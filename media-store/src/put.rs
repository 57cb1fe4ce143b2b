//! Putting a file of the machine into the store.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::IoContext;
use crate::{Object, Progress, ProgressUnit, Store, StoreError, UploadSpec};

impl Store {
    /// Puts a file into the store, with a reference without end by `owner`. Without `media_type`
    /// the file's name decides.
    ///
    /// # Errors
    /// As [`Store::begin`] and [`crate::Receiving::finish`], and [`StoreError::Io`] on the file.
    pub fn put_file(
        &self,
        path: &Path,
        media_type: Option<&str>,
        owner: &str,
        progress: &mut dyn Progress,
    ) -> Result<Object, StoreError> {
        let mut file = File::open(path).at("open", path)?;
        let len = file.metadata().at("stat", path)?.len();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let media_type = media_type.map(str::to_owned);
        let spec = UploadSpec { len: Some(len), media_type, name, ..UploadSpec::by(owner) };
        let mut upload = self.begin(spec)?;
        progress.begin("put", ProgressUnit::Bytes, Some(len));
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::io("read", path, error)),
            };
            upload.write(&buffer[..read])?;
            progress.advance(read as u64);
        }
        progress.end();
        upload.finish()
    }
}

const READ_BYTES: usize = 1 << 20;
