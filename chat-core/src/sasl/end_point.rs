//! RFC 5929 4.1 `tls-server-end-point`: the digest of the server's certificate.

use aws_lc_rs::digest;

/// The channel-binding data for a certificate in DER. `None` where its signature names no hash
/// function (Ed25519) or one that is not known: RFC 5929 leaves those undefined.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = digest_of(signature_algorithm(certificate)?)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

/// RFC 5280 4.1: `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (whole, _) = element(certificate, SEQUENCE)?;
    let (_, rest) = element(whole, SEQUENCE)?;
    element(rest, SEQUENCE).map(|(algorithm, _)| algorithm)
}

/// MD5 and SHA-1 give way to SHA-256, as RFC 5929 says.
fn digest_of(algorithm: &[u8]) -> Option<&'static digest::Algorithm> {
    let (oid, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    match oid {
        [rsa @ .., last] if rsa == PKCS1 => match last {
            4 | 5 | 11 => Some(&digest::SHA256),
            12 => Some(&digest::SHA384),
            13 => Some(&digest::SHA512),
            10 => pss_digest(parameters),
            _ => None,
        },
        _ if oid == ECDSA_WITH_SHA1 => Some(&digest::SHA256),
        [ecdsa @ .., last] if ecdsa == ECDSA_WITH_SHA2 => sha2(*last, 2),
        _ => None,
    }
}

/// RFC 4055 3.1: the hash function stands first in RSASSA-PSS' parameters; left out, it is SHA-1.
fn pss_digest(parameters: &[u8]) -> Option<&'static digest::Algorithm> {
    let (parameters, _) = element(parameters, SEQUENCE)?;
    let Some((tagged, _)) = element(parameters, CONTEXT_0) else { return Some(&digest::SHA256) };
    let (algorithm, _) = element(tagged, SEQUENCE)?;
    let (oid, _) = element(algorithm, OBJECT_IDENTIFIER)?;
    let (last, family) = oid.split_last()?;
    if family == NIST_HASH { sha2(*last, 1) } else { None }
}

fn sha2(number: u8, sha256: u8) -> Option<&'static digest::Algorithm> {
    match number.checked_sub(sha256)? {
        0 => Some(&digest::SHA256),
        1 => Some(&digest::SHA384),
        2 => Some(&digest::SHA512),
        _ => None,
    }
}

/// The content of the DER element of type `tag` that opens `input`, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&actual, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (len, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            // Four bytes count to 4 GiB, which no certificate has.
            if len.is_empty() || len.len() > 4 {
                return None;
            }
            (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
    };
    (actual == tag).then(|| rest.split_at_checked(len)).flatten()
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const CONTEXT_0: u8 = 0xa0;
/// 1.2.840.113549.1.1
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.1
const ECDSA_WITH_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// 1.2.840.10045.4.3
const ECDSA_WITH_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 2.16.840.1.101.3.4.2
const NIST_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate's shell around the signature algorithm.
    fn certificate(algorithm: &[u8]) -> Vec<u8> {
        let parts = [&[0x30, 0x03, 0x02, 0x01, 0x00], algorithm, &[0x03, 0x02, 0x00, 0x55]];
        let body = parts.concat();
        [&[0x30, 0x81, body.len() as u8], body.as_slice()].concat()
    }

    #[track_caller]
    fn check(algorithm: &[u8], expected: Option<&'static digest::Algorithm>) {
        let certificate = certificate(algorithm);
        let digest = expected.map(|hash| digest::digest(hash, &certificate).as_ref().to_vec());
        assert_eq!(server_end_point(&certificate), digest);
        for end in 0..certificate.len() - 4 {
            server_end_point(&certificate[..end]);
        }
    }

    fn sequence(parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        [&[0x30, body.len() as u8], body.as_slice()].concat()
    }

    fn oid(family: &[u8], last: u8) -> Vec<u8> {
        [&[0x06, family.len() as u8 + 1], family, &[last]].concat()
    }

    #[test]
    fn by_signature() {
        check(&sequence(&[&oid(PKCS1, 5), &[5, 0]]), Some(&digest::SHA256));
        check(&sequence(&[&oid(PKCS1, 11), &[5, 0]]), Some(&digest::SHA256));
        check(&sequence(&[&oid(PKCS1, 13), &[5, 0]]), Some(&digest::SHA512));
        check(&sequence(&[&oid(ECDSA_WITH_SHA2, 2)]), Some(&digest::SHA256));
        check(&sequence(&[&oid(ECDSA_WITH_SHA2, 3)]), Some(&digest::SHA384));
        check(&sequence(&[&[6, 7], ECDSA_WITH_SHA1]), Some(&digest::SHA256));
    }

    #[test]
    fn pss_names_its_hash_in_its_parameters() {
        let hash = sequence(&[&oid(NIST_HASH, 3)]);
        let tagged = [&[0xa0, hash.len() as u8], hash.as_slice()].concat();
        check(&sequence(&[&oid(PKCS1, 10), &sequence(&[&tagged])]), Some(&digest::SHA512));
        check(&sequence(&[&oid(PKCS1, 10), &sequence(&[])]), Some(&digest::SHA256));
    }

    #[test]
    fn ed25519_has_none() {
        check(&sequence(&[&[6, 3, 0x2b, 0x65, 0x70]]), None);
    }
}
