//! Packets there and back, changed, and again.

use super::*;

const PROFILES: [Profile; 3] =
    [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmHmacSha1_80];

fn pair(profile: Profile) -> (Sealer, Opener) {
    let material: Vec<u8> = (0..profile.material_bytes() as u8).collect();
    let [client, _] = Master::split(profile, &material).unwrap();
    (Sealer::new(profile, &client).unwrap(), Opener::new(profile, &client).unwrap())
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 5, 0, 0]);
    packet.extend_from_slice(payload);
    packet
}

fn seal(sealer: &mut Sealer, packet: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + OVERHEAD_BYTES_MAX, 0);
    let len = sealer.seal_rtp(&mut buffer, packet.len())?;
    buffer.truncate(len);
    Ok(buffer)
}

#[test]
fn rtp_comes_back_as_it_was_and_once() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        for sequence in [65_534, 65_535, 0, 1, 3, 2] {
            let packet = rtp(sequence, b"what is said");
            let mut sealed = seal(&mut sealer, &packet).unwrap();
            assert_eq!(sealed[..20], packet[..20], "headers stay readable");
            assert_ne!(sealed[20..32], packet[20..]);
            let mut repeat = sealed.clone();
            let len = opener.open_rtp(&mut sealed).unwrap();
            assert_eq!(sealed[..len], packet, "{profile:?} {sequence}");
            assert!(matches!(opener.open_rtp(&mut repeat), Err(Fault::Repeated { .. })));
        }
        assert!(matches!(seal(&mut sealer, &rtp(1, b"another")), Err(Fault::Repeated { .. })));
    }
}

#[test]
fn rtcp_comes_back_as_it_was_and_once() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        for _ in 0..3 {
            let packet = [0x80, 200, 0, 2, 0, 0, 0, 9, 1, 2, 3, 4];
            let mut buffer = packet.to_vec();
            buffer.resize(64, 0);
            let len = sealer.seal_rtcp(&mut buffer, packet.len()).unwrap();
            buffer.truncate(len);
            let mut repeat = buffer.clone();
            let len = opener.open_rtcp(&mut buffer).unwrap();
            assert_eq!(buffer[..len], packet, "{profile:?}");
            assert!(matches!(opener.open_rtcp(&mut repeat), Err(Fault::Repeated { .. })));
        }
    }
}

#[test]
fn what_is_cut_or_changed_is_refused() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let sealed = seal(&mut sealer, &rtp(7, b"what is said")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(opener.open_rtp(&mut changed).is_err(), "{profile:?} byte {at}");
            assert!(opener.open_rtp(&mut sealed.clone()[..at]).is_err(), "{profile:?} {at} bytes");
            assert!(opener.open_rtcp(&mut sealed.clone()[..at]).is_err(), "{profile:?} {at} bytes");
        }
        assert!(opener.open_rtp(&mut sealed.clone()).is_ok());
    }
}
