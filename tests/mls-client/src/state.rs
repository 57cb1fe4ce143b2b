//! A device in a file.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::BASE64;
use openmls::prelude::{GroupId, MlsGroup};
use openmls_memory_storage::MemoryStorage;
use openmls_traits::OpenMlsProvider;
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::error::Error;
use crate::provider::Provider;
use crate::signer::DeviceKey;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    identity: String,
    seed: String,
    groups: Vec<String>,
    values: Vec<(String, String)>,
}

impl Device {
    /// Writes all that it knows to a file, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let values = self.provider.storage().values.read();
        let values = values.map_err(Error::refused("read the storage"))?;
        let shown = |(key, value): (&Vec<u8>, &Vec<u8>)| (BASE64.encode(key), BASE64.encode(value));
        let state = State {
            identity: self.identity.clone(),
            seed: BASE64.encode(self.key.seed()),
            groups: self.groups.keys().map(|group| BASE64.encode(group)).collect(),
            values: values.iter().map(shown).collect(),
        };
        let written = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&written)?;
        file.write_all(&serde_json::to_vec(&state)?)?;
        file.sync_all()?;
        Ok(fs::rename(written, path)?)
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, or is no state.
    pub fn open(path: &Path) -> Result<Device, Error> {
        let state: State = serde_json::from_slice(&fs::read(path)?)?;
        let storage = MemoryStorage::default();
        {
            let mut values = storage.values.write().map_err(Error::refused("fill the storage"))?;
            for (key, value) in &state.values {
                values.insert(decoded(key)?, decoded(value)?);
            }
        }
        let provider = Provider::with_storage(storage);
        let mut groups = std::collections::BTreeMap::new();
        for group in &state.groups {
            let id = decoded(group)?;
            let loaded = MlsGroup::load(provider.storage(), &GroupId::from_slice(&id));
            let loaded = loaded.map_err(Error::refused("load a group"))?;
            groups.extend(loaded.map(|group| (id, group)));
        }
        let key = DeviceKey::from_seed(decoded(&state.seed)?)?;
        Ok(Device { identity: state.identity, key, provider, groups })
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, Error> {
    BASE64.decode(text.as_bytes()).map_err(Error::refused("read base64"))
}
