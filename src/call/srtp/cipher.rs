//! What protects a packet: AES-GCM (RFC 7714), or AES in counter mode with HMAC-SHA1 (RFC 3711).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::keys::{KeyError, Master, Profile, RTP_AUTH, RTP_KEY, RTP_SALT};
use super::{Fault, RTCP_HEADER_BYTES, RTCP_INDEX_BYTES};

const GCM_TAG_BYTES: usize = 16;
const SHA1_TAG_BYTES: usize = 10;

/// The session keys of one direction, for RTP or for RTCP.
pub(super) enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    CounterMode(Box<CounterMode>),
}

pub(super) struct CounterMode {
    key: EncryptingKey,
    salt: [u8; 14],
    auth: hmac::Key,
}

impl Cipher {
    pub(super) fn new(profile: Profile, master: &Master, offset: u8) -> Result<Self, KeyError> {
        let fault = KeyError { bytes: profile.key_bytes() };
        let label = |label: u8| label + offset;
        Ok(match profile {
            Profile::AeadAes128Gcm => {
                let key = master.derive::<16>(label(RTP_KEY))?;
                let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| fault)?;
                Self::Gcm { key: LessSafeKey::new(key), salt: master.derive(label(RTP_SALT))? }
            }
            Profile::AeadAes256Gcm => {
                let key = master.derive::<32>(label(RTP_KEY))?;
                let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| fault)?;
                Self::Gcm { key: LessSafeKey::new(key), salt: master.derive(label(RTP_SALT))? }
            }
            Profile::Aes128CmHmacSha1_80 => {
                let key = master.derive::<16>(label(RTP_KEY))?;
                let key = UnboundCipherKey::new(&AES_128, &key).map_err(|_| fault)?;
                let auth = master.derive::<20>(label(RTP_AUTH))?;
                Self::CounterMode(Box::new(CounterMode {
                    key: EncryptingKey::ctr(key).map_err(|_| fault)?,
                    salt: master.derive(label(RTP_SALT))?,
                    auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
                }))
            }
        })
    }

    pub(super) fn is_aead(&self) -> bool {
        matches!(self, Self::Gcm { .. })
    }

    pub(super) fn tag_bytes(&self) -> usize {
        if self.is_aead() { GCM_TAG_BYTES } else { SHA1_TAG_BYTES }
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Fault> {
        let short = Fault::Short { bytes: packet.len() };
        let end = packet.len().checked_sub(self.tag_bytes()).filter(|end| *end >= header);
        let end = end.ok_or(short)?;
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtp_nonce(salt, ssrc, index);
                let (aad, content) = packet.split_at_mut(header);
                open_gcm(key, nonce, aad, content)?;
            }
            Self::CounterMode(it) => {
                let CounterMode { key, salt, auth } = &**it;
                let (signed, tag) = packet.split_at_mut(end);
                let rollovers = (index >> 16) as u32;
                verify(auth, &[signed, &rollovers.to_be_bytes()], tag)?;
                encrypt(key, counter(salt, ssrc, index), &mut signed[header..])?;
            }
        }
        Ok(end)
    }

    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, Fault> {
        let end = len + self.tag_bytes();
        let packet = buffer.get_mut(..end).ok_or(Fault::Short { bytes: len })?;
        let (content, tag) = packet.split_at_mut(len);
        match self {
            Self::Gcm { key, salt } => {
                let (aad, content) = content.split_at_mut(header);
                tag.copy_from_slice(&seal_gcm(key, rtp_nonce(salt, ssrc, index), aad, content)?);
            }
            Self::CounterMode(it) => {
                let CounterMode { key, salt, auth } = &**it;
                encrypt(key, counter(salt, ssrc, index), &mut content[header..])?;
                let rollovers = (index >> 16) as u32;
                let signed = sign(auth, &[content, &rollovers.to_be_bytes()]);
                tag.copy_from_slice(&signed.as_ref()[..SHA1_TAG_BYTES]);
            }
        }
        Ok(end)
    }

    /// The caller has seen to it that header, index and tag are there.
    pub(super) fn open_rtcp(
        &self,
        packet: &mut [u8],
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Fault> {
        let index = word & !super::RTCP_ENCRYPTED;
        let end = packet.len() - self.tag_bytes() - RTCP_INDEX_BYTES;
        match self {
            Self::Gcm { key, salt } => {
                let (content, _) = packet.split_at_mut(end + GCM_TAG_BYTES);
                let (head, content) = content.split_at_mut(RTCP_HEADER_BYTES);
                let aad = rtcp_aad(head, word);
                open_gcm(key, rtcp_nonce(salt, ssrc, index), &aad, content)?;
            }
            Self::CounterMode(it) => {
                let CounterMode { key, salt, auth } = &**it;
                let (signed, tag) = packet.split_at_mut(end + RTCP_INDEX_BYTES);
                verify(auth, &[signed], tag)?;
                let counter = counter(salt, ssrc, u64::from(index));
                encrypt(key, counter, &mut signed[RTCP_HEADER_BYTES..end])?;
            }
        }
        Ok(end)
    }

    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<usize, Fault> {
        let index = word & !super::RTCP_ENCRYPTED;
        let end = len + self.tag_bytes() + RTCP_INDEX_BYTES;
        let packet = buffer.get_mut(..end).ok_or(Fault::Short { bytes: len })?;
        match self {
            Self::Gcm { key, salt } => {
                let (head, rest) = packet.split_at_mut(RTCP_HEADER_BYTES);
                let (content, trailer) = rest.split_at_mut(len - RTCP_HEADER_BYTES);
                let aad = rtcp_aad(head, word);
                let tag = seal_gcm(key, rtcp_nonce(salt, ssrc, index), &aad, content)?;
                trailer[..GCM_TAG_BYTES].copy_from_slice(&tag);
                trailer[GCM_TAG_BYTES..].copy_from_slice(&word.to_be_bytes());
            }
            Self::CounterMode(it) => {
                let CounterMode { key, salt, auth } = &**it;
                let counter = counter(salt, ssrc, u64::from(index));
                encrypt(key, counter, &mut packet[RTCP_HEADER_BYTES..len])?;
                let (signed, tag) = packet.split_at_mut(len + RTCP_INDEX_BYTES);
                signed[len..].copy_from_slice(&word.to_be_bytes());
                tag.copy_from_slice(&sign(auth, &[signed]).as_ref()[..SHA1_TAG_BYTES]);
            }
        }
        Ok(end)
    }
}

/// RFC 7714 8.1: the salt, and over it the SSRC and the index.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    xor(nonce, salt)
}

/// RFC 7714 9.1.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    xor(nonce, salt)
}

/// RFC 3711 4.1.1.
fn counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut counter = [0; 16];
    counter[4..8].copy_from_slice(&ssrc.to_be_bytes());
    counter[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    let salted = xor([0; 14], salt);
    for (byte, salt) in counter.iter_mut().zip(salted) {
        *byte ^= salt;
    }
    counter
}

fn xor<const BYTES: usize>(mut bytes: [u8; BYTES], with: &[u8; BYTES]) -> [u8; BYTES] {
    bytes.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
    bytes
}

/// RFC 7714 9.2: the header, and the word with the index.
fn rtcp_aad(head: &[u8], word: u32) -> [u8; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES] {
    let mut aad = [0; RTCP_HEADER_BYTES + RTCP_INDEX_BYTES];
    aad[..RTCP_HEADER_BYTES].copy_from_slice(head);
    aad[RTCP_HEADER_BYTES..].copy_from_slice(&word.to_be_bytes());
    aad
}

fn open_gcm(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    content: &mut [u8],
) -> Result<(), Fault> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = key.open_in_place(nonce, Aad::from(aad), content);
    opened.map(|_| ()).map_err(|_| Fault::Authentic)
}

fn seal_gcm(
    key: &LessSafeKey,
    nonce: [u8; 12],
    aad: &[u8],
    content: &mut [u8],
) -> Result<[u8; GCM_TAG_BYTES], Fault> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), content);
    let tag = tag.map_err(|_| Fault::Authentic)?;
    tag.as_ref().try_into().map_err(|_| Fault::Authentic)
}

fn encrypt(key: &EncryptingKey, counter: [u8; 16], content: &mut [u8]) -> Result<(), Fault> {
    if content.is_empty() {
        return Ok(());
    }
    let context = EncryptionContext::Iv128(FixedLength::from(counter));
    key.less_safe_encrypt(content, context).map(|_| ()).map_err(|_| Fault::Authentic)
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    context.sign()
}

fn verify(key: &hmac::Key, parts: &[&[u8]], tag: &[u8]) -> Result<(), Fault> {
    let expected = sign(key, parts);
    let expected = &expected.as_ref()[..SHA1_TAG_BYTES];
    aws_lc_rs::constant_time::verify_slices_are_equal(expected, tag).map_err(|_| Fault::Authentic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7714 16.1.1.
    #[test]
    fn the_packet_of_rfc_7714_is_sealed() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let cipher = Cipher::Gcm { key, salt: *b"Quid pro quo" };
        let mut buffer = hex("8040f17b8041f8d35501a0b2");
        buffer.extend_from_slice(b"Gallia est omnis divisa in partes tres");
        let len = buffer.len();
        buffer.resize(len + GCM_TAG_BYTES, 0);
        cipher.seal_rtp(&mut buffer, 12, len, 0x5501_a0b2, 0xf17b).unwrap();
        let sealed = "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
                      899d7f27beb16a9152cf765ee4390cce";
        assert_eq!(buffer[12..], hex(sealed));
    }
}
