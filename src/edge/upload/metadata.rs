//! tus 1.0 `Upload-Metadata`: comma-separated keys, each with a base64 value.

use data_encoding::BASE64;
use media_store::Digest;

/// What an upload's creator says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The header as it was sent, for HEAD; `None` where it was absent or empty.
    pub text: Option<String>,
    /// `filename`, or `name`.
    pub name: Option<String>,
    /// `filetype`, or `type`.
    pub media_type: Option<String>,
    /// `blake3`: the digest that the bytes must have, as 64 hexadecimal digits or 32 bytes.
    pub expected: Option<Digest>,
}

/// Why `Upload-Metadata` cannot be used: 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Upload-Metadata is malformed: {0}")]
pub struct MetadataError(pub &'static str);

impl Metadata {
    /// Parses the header's value.
    ///
    /// # Errors
    /// [`MetadataError`]: not ASCII, too long, a key twice or empty, no base64, no UTF-8, no
    /// digest.
    pub fn parse(header: &[u8]) -> Result<Self, MetadataError> {
        if header.len() > HEADER_BYTES_MAX {
            return Err(MetadataError("it is too long"));
        }
        let text = std::str::from_utf8(header).ok().filter(|text| text.is_ascii());
        let text = text.ok_or(MetadataError("it is not ASCII"))?.trim();
        let mut metadata = Self::default();
        if text.is_empty() {
            return Ok(metadata);
        }
        let mut keys = Vec::new();
        for pair in text.split(',') {
            let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
            if key.is_empty() || keys.contains(&key) {
                return Err(MetadataError("a key is empty or given twice"));
            }
            keys.push(key);
            let value = BASE64.decode(value.trim().as_bytes());
            metadata.take(key, value.map_err(|_| MetadataError("a value is not base64"))?)?;
        }
        metadata.text = Some(text.to_owned());
        Ok(metadata)
    }

    fn take(&mut self, key: &str, value: Vec<u8>) -> Result<(), MetadataError> {
        match key {
            "filename" => self.name = Some(words(value)?),
            "name" if self.name.is_none() => self.name = Some(words(value)?),
            "filetype" => self.media_type = Some(words(value)?),
            "type" if self.media_type.is_none() => self.media_type = Some(words(value)?),
            "blake3" => self.expected = Some(digest(&value)?),
            _ => {}
        }
        Ok(())
    }
}

fn words(value: Vec<u8>) -> Result<String, MetadataError> {
    String::from_utf8(value).map_err(|_| MetadataError("a value is not UTF-8"))
}

fn digest(value: &[u8]) -> Result<Digest, MetadataError> {
    let hex = match value.len() {
        32 => data_encoding::HEXLOWER.encode(value),
        _ => String::from_utf8_lossy(value).to_ascii_lowercase(),
    };
    hex.parse().map_err(|_| MetadataError("blake3 is not a digest"))
}

const HEADER_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Result<(Option<&str>, Option<&str>), &str>) {
        let got = Metadata::parse(header.as_bytes());
        let got = got.as_ref().map(|it| (it.name.as_deref(), it.media_type.as_deref()));
        assert_eq!(got.map_err(|error| error.0), expected, "{header}");
    }

    #[test]
    fn names_and_types() {
        check("", Ok((None, None)));
        check(
            "filename w7wudHh0,filetype dGV4dC9wbGFpbg==",
            Ok((Some("ü.txt"), Some("text/plain"))),
        );
        check("name YQ==,filename Yg==,type Yw==", Ok((Some("b"), Some("c"))));
        check("filename Yg==,name YQ==", Ok((Some("b"), None)));
        check("is_private, filename Yg==", Ok((Some("b"), None)));
    }

    #[test]
    fn malformed() {
        check("filename YQ", Err("a value is not base64"));
        check("filename /w==", Err("a value is not UTF-8"));
        check("a YQ==,a YQ==", Err("a key is empty or given twice"));
        check("a YQ==,,b YQ==", Err("a key is empty or given twice"));
        check("ü YQ==", Err("it is not ASCII"));
        check("blake3 YQ==", Err("blake3 is not a digest"));
        check(&"a".repeat(5000), Err("it is too long"));
    }

    #[test]
    fn digests_in_hex_or_raw() {
        let digest = Digest::of(b"x");
        for value in
            [BASE64.encode(digest.to_string().as_bytes()), BASE64.encode(digest.as_bytes())]
        {
            let metadata = Metadata::parse(format!("blake3 {value}").as_bytes()).unwrap();
            assert_eq!(metadata.expected, Some(digest));
        }
    }
}
