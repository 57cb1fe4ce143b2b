//! The files of the tests' site.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// `Last-Modified` of the site's files: RFC 9110's own example.
pub const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const MODIFIED_S: u64 = 784_111_777;
/// Length of `large.bin`: more than socket buffers hold.
pub const LARGE_BYTES: usize = 9 * 1024 * 1024 + 77;

/// Writes the files.
pub fn write(root: &Path) {
    fs::create_dir_all(root.join("folder")).unwrap();
    let files: [(&str, &[u8]); 5] = [
        ("hello.txt", b"hello\n"),
        ("digits.txt", b"0123456789"),
        ("folder/index.html", b"<p>folder</p>\n"),
        ("empty.txt", b""),
        ("large.bin", &pattern(LARGE_BYTES)),
    ];
    for (name, bytes) in files {
        let path = root.join(name);
        fs::write(&path, bytes).unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED_S);
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }
}

/// Bytes of which no two stretches are alike for long.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 + index / 251 + index / 65_521) as u8).collect()
}
