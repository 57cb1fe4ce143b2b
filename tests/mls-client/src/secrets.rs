//! What a device keeps to itself: tests look whether anybody else has it.

use openmls_traits::OpenMlsProvider;
use serde_json::Value;

use crate::device::Device;
use crate::error::Error;

impl Device {
    /// The device's private keys, and the secrets of its groups' epochs, in no order.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub fn secrets(&self) -> Result<Vec<Vec<u8>>, Error> {
        let values = self.provider.storage().values.read();
        let values = values.map_err(Error::refused("read the storage"))?;
        let mut found = vec![self.key.seed().to_vec()];
        for value in values.values() {
            collect(&serde_json::from_slice(value)?, false, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// Bytes whose field's name says so, and those in wrappings of such a field.
fn collect(value: &Value, is_secret: bool, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let says_so = ["private", "secret"].iter().any(|word| name.contains(word));
                let is_wrapping = is_secret && ["key", "value", "vec"].contains(&name.as_str());
                collect(value, says_so || is_wrapping, found);
            }
        }
        Value::Array(items) => {
            let byte = |item: &Value| item.as_u64().and_then(|item| u8::try_from(item).ok());
            let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
            match bytes.filter(|bytes| is_secret && bytes.len() >= BYTES_MIN) {
                Some(bytes) => found.push(bytes),
                None => items.iter().for_each(|item| collect(item, is_secret, found)),
            }
        }
        _ => {}
    }
}

/// A key of AES-128; what is shorter may be anywhere by chance.
const BYTES_MIN: usize = 16;
