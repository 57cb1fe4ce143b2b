//! RFC 9266 Channel Bindings for TLS 1.3: what ties a login to its connection.
//!
//! rustls' unbuffered connections have no exporter, so a session takes the exporter's secret at the
//! moment that its key schedule shows it (as [`KeyLog`] does to whoever asks) and keeps only what
//! RFC 9266 derives from it. TLS 1.2 has none here: its exporter is safe only with extended master
//! secrets.

use std::cell::RefCell;

use rustls::crypto::tls13::{HkdfExpander, OkmBlock};
use rustls::{KeyLog, Tls13CipherSuite};

/// Bytes of `tls-exporter`'s data (RFC 9266 2).
pub const EXPORTER_BYTES: usize = 32;

thread_local! {
    /// The secret of the handshake that this thread is in; taken behind each step of it.
    static SHOWN: RefCell<Option<OkmBlock>> = const { RefCell::new(None) };
}

/// Has sessions keep their `tls-exporter` data; for the listeners whose protocol can use it.
#[derive(Debug)]
pub(super) struct ExporterLog;

impl KeyLog for ExporterLog {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if self.will_log(label) && secret.len() <= OkmBlock::MAX_LEN {
            SHOWN.set(Some(OkmBlock::new(secret)));
        }
    }

    fn will_log(&self, label: &str) -> bool {
        label == "EXPORTER_SECRET"
    }
}

/// The secret that was shown since the last call, if any.
pub(super) fn take_shown() -> Option<OkmBlock> {
    SHOWN.take()
}

/// `tls-exporter`: RFC 8446 7.5 with the label and length of RFC 9266 2, and no context.
pub(super) fn exporter(suite: &Tls13CipherSuite, secret: &OkmBlock) -> [u8; EXPORTER_BYTES] {
    let empty = suite.common.hash_provider.hash(&[]);
    let hkdf = suite.hkdf_provider;
    let hash_bytes = empty.as_ref().len();
    let mut derived = [0; OkmBlock::MAX_LEN];
    let derived = &mut derived[..hash_bytes];
    expand_label(&*hkdf.expander_for_okm(secret), EXPORTER_LABEL, empty.as_ref(), derived);
    let mut data = [0; EXPORTER_BYTES];
    let expander = hkdf.expander_for_okm(&OkmBlock::new(derived));
    expand_label(&*expander, b"exporter", empty.as_ref(), &mut data);
    data
}

/// HKDF-Expand-Label (RFC 8446 7.1).
fn expand_label(expander: &dyn HkdfExpander, label: &[u8], context: &[u8], output: &mut [u8]) {
    let output_bytes = (output.len() as u16).to_be_bytes();
    let label_bytes = [(LABEL_PREFIX.len() + label.len()) as u8];
    let info: [&[u8]; 6] =
        [&output_bytes, &label_bytes, LABEL_PREFIX, label, &[context.len() as u8], context];
    let expanded = expander.expand_slice(&info, output);
    assert!(expanded.is_ok(), "a hash's length can always be expanded to");
}

const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const LABEL_PREFIX: &[u8] = b"tls13 ";
