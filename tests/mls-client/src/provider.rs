//! What openmls works with: cryptography by aws-lc-rs, and a storage in memory.
//!
//! `openmls_rust_crypto` would bring 68 crates that nothing else here needs, and a second
//! implementation of what aws-lc-rs already does.

use std::fmt;

use openmls_memory_storage::MemoryStorage;
use openmls_traits::OpenMlsProvider;

use crate::crypto::Crypto;

/// A device's cryptography and storage.
#[derive(Default)]
pub struct Provider {
    crypto: Crypto,
    storage: MemoryStorage,
}

impl Provider {
    /// With what was stored before.
    pub(crate) fn with_storage(storage: MemoryStorage) -> Provider {
        Provider { crypto: Crypto, storage }
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = Crypto;
    type RandProvider = Crypto;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Crypto {
        &self.crypto
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It holds private keys.
        f.debug_struct("Provider").finish_non_exhaustive()
    }
}
