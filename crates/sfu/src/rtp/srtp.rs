//! SRTP and SRTCP with AES-GCM (RFC 3711 with the AEAD profiles of RFC 7714).

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::keys::{MasterKey, Profile, SALT};
use super::window::Window;

/// Size of the authentication tag, by which encryption extends a packet.
pub(crate) const TAG: usize = 16;
/// Size of the SRTCP trailer after the ciphertext: a flag and the index.
const INDEX: usize = 4;
/// Size of the unencrypted part of RTCP: first header and sender SSRC.
const RTCP_HEADER: usize = 8;
const ENCRYPTED: u32 = 0x8000_0000;
/// Maximum number of SRTCP packets with one key.
const MOST_INDICES: u32 = 0x7fff_ffff;

/// Key derivation labels (RFC 3711, section 4.3.2).
const RTP_KEY: u8 = 0;
const RTP_SALT: u8 = 2;
const RTCP_KEY: u8 = 3;
const RTCP_SALT: u8 = 5;

/// Authentication failed, or the packet is a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// A session key with its salt.
struct Cipher {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Cipher {
    fn derived(master: &MasterKey, key_label: u8, salt_label: u8) -> Option<Self> {
        let (algorithm, length) = match master.profile {
            Profile::Aes128Gcm => (&AES_128_GCM, 16),
            Profile::Aes256Gcm => (&AES_256_GCM, 32),
        };
        let key = derive(master, key_label, length)?;
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).ok()?);
        let salt = derive(master, salt_label, SALT)?.try_into().ok()?;
        Some(Self { key, salt })
    }

    /// RFC 7714, section 8.1: two zero bytes, the SSRC, the roll-over counter and the sequence number, XORed with the
    /// salt.
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        // An index has 48 bits.
        let numbers = (u128::from(ssrc) << 48) | u128::from(index & 0xffff_ffff_ffff);
        let bytes = numbers.to_be_bytes();
        nonce.iter_mut().zip(&bytes[4..]).for_each(|(byte, other)| *byte ^= other);
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714, section 9.1: the same with two zero bytes and the SRTCP index instead of the packet index.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        self.rtp_nonce(ssrc, u64::from(index))
    }
}

/// RFC 3711, section 4.3.3: the key stream of the master key, from label and salt.
fn derive(master: &MasterKey, label: u8, length: usize) -> Option<Vec<u8>> {
    let mut block = [0; 16];
    block[..SALT].copy_from_slice(&master.salt);
    block[7] ^= label;
    let algorithm = match master.profile {
        Profile::Aes128Gcm => &AES_128,
        Profile::Aes256Gcm => &AES_256,
    };
    let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, &master.key).ok()?).ok()?;
    let mut stream = vec![0; length];
    key.less_safe_encrypt(&mut stream, EncryptionContext::Iv128(FixedLength::from(block))).ok()?;
    Some(stream)
}

/// Decrypts packets from the remote side.
pub(crate) struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    /// The SRTCP indices received.
    indices: Window,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

impl Opener {
    /// Returns `None` if the cryptographic library rejects the key.
    pub(crate) fn new(master: &MasterKey) -> Option<Self> {
        Some(Self {
            rtp: Cipher::derived(master, RTP_KEY, RTP_SALT)?,
            rtcp: Cipher::derived(master, RTCP_KEY, RTCP_SALT)?,
            indices: Window::default(),
        })
    }

    /// Decrypts an RTP packet with a header of `header` bytes into `plain`. `index` is the receiver's estimate of the
    /// packet index. The caller must check for replays.
    pub(crate) fn open_rtp(
        &self,
        packet: &[u8],
        header: usize,
        ssrc: u32,
        index: u64,
        plain: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let (header, rest) = packet.split_at_checked(header).ok_or(Refused)?;
        self.rtp.open(self.rtp.rtp_nonce(ssrc, index), header, rest, plain)
    }

    /// Decrypts a compound RTCP packet into `plain`, including its header.
    pub(crate) fn open_rtcp(&mut self, packet: &[u8], plain: &mut Vec<u8>) -> Result<(), Refused> {
        let (packet, trailer) = packet.split_at_checked(packet.len().saturating_sub(INDEX)).ok_or(Refused)?;
        let (header, rest) = packet.split_at_checked(RTCP_HEADER).ok_or(Refused)?;
        let word = trailer.try_into().map(u32::from_be_bytes).map_err(|_| Refused)?;
        let ssrc = header[4..8].try_into().map(u32::from_be_bytes).map_err(|_| Refused)?;
        let index = word & !ENCRYPTED;
        if word & ENCRYPTED == 0 || !self.indices.is_new(u64::from(index)) {
            return Err(Refused);
        }
        let mut associated = [0; RTCP_HEADER + INDEX];
        associated[..RTCP_HEADER].copy_from_slice(header);
        associated[RTCP_HEADER..].copy_from_slice(trailer);
        self.rtcp.open(self.rtcp.rtcp_nonce(ssrc, index), &associated, rest, plain)?;
        plain.splice(0..0, header.iter().copied());
        self.indices.note(u64::from(index));
        Ok(())
    }
}

impl Cipher {
    fn open(&self, nonce: Nonce, associated: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> Result<(), Refused> {
        let (text, tag) = sealed.split_at_checked(sealed.len().saturating_sub(TAG)).ok_or(Refused)?;
        plain.resize(text.len(), 0);
        self.key.open_separate_gather(nonce, Aad::from(associated), text, tag, plain).map_err(|_| Refused)
    }
}

/// Encrypts packets to the remote side.
pub(crate) struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    /// The next SRTCP index.
    index: u32,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Returns `None` if the cryptographic library rejects the key.
    pub(crate) fn new(master: &MasterKey) -> Option<Self> {
        Some(Self {
            rtp: Cipher::derived(master, RTP_KEY, RTP_SALT)?,
            rtcp: Cipher::derived(master, RTCP_KEY, RTCP_SALT)?,
            index: 0,
        })
    }

    /// Encrypts an RTP packet with a header of `header` bytes in place. A combination of SSRC and index must never be
    /// reused.
    pub(crate) fn seal_rtp(&self, packet: &mut Vec<u8>, header: usize, ssrc: u32, index: u64) -> Result<(), Refused> {
        let (header, payload) = packet.split_at_mut_checked(header).ok_or(Refused)?;
        let nonce = self.rtp.rtp_nonce(ssrc, index);
        let tag = self.rtp.key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).map_err(|_| Refused)?;
        packet.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Encrypts a compound RTCP packet in place.
    pub(crate) fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), Refused> {
        // Never reached in practice: at a hundred packets a second it takes eight months.
        let index = Some(self.index).filter(|index| *index < MOST_INDICES).ok_or(Refused)?;
        let (header, rest) = packet.split_at_mut_checked(RTCP_HEADER).ok_or(Refused)?;
        let ssrc = header[4..8].try_into().map(u32::from_be_bytes).map_err(|_| Refused)?;
        let trailer = (index | ENCRYPTED).to_be_bytes();
        let mut associated = [0; RTCP_HEADER + INDEX];
        associated[..RTCP_HEADER].copy_from_slice(header);
        associated[RTCP_HEADER..].copy_from_slice(&trailer);
        let nonce = self.rtcp.rtcp_nonce(ssrc, index);
        let tag = self.rtcp.key.seal_in_place_separate_tag(nonce, Aad::from(associated), rest).map_err(|_| Refused)?;
        self.index = index + 1;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&trailer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
        digits.chunks(2).map(byte).collect()
    }

    fn cipher(key: &[u8], salt: &str) -> Cipher {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        Cipher {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key")),
            salt: bytes(salt).try_into().expect("twelve bytes"),
        }
    }

    const SALT_TEXT: &str = "517569642070726f2071756f";
    const HEADER: &str = "8040f17b8041f8d35501a0b2";
    const PLAIN: &[u8] = b"Gallia est omnis divisa in partes tres";
    const SEALED_128: &str = "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf\
        765ee4390cce";
    const SEALED_256: &str = "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb\
        7878d7a76c13";

    /// RFC 7714, sections 16.1.1 and 16.2.1.
    #[test]
    fn the_vectors_of_the_rfc_come_out() {
        for (length, sealed) in [(16, SEALED_128), (32, SEALED_256)] {
            let key: Vec<u8> = (0..length).collect();
            let (header, mut text) = (bytes(HEADER), PLAIN.to_vec());
            let cipher = cipher(&key, SALT_TEXT);
            let nonce = || cipher.rtp_nonce(0x5501_a0b2, 0xf17b);
            let tag = cipher.key.seal_in_place_separate_tag(nonce(), Aad::from(&header), &mut text).expect("sealed");
            text.extend_from_slice(tag.as_ref());
            assert_eq!(text, bytes(sealed));
            let mut plain = Vec::new();
            cipher.open(nonce(), &header, &text, &mut plain).expect("authentic");
            assert_eq!(plain, PLAIN);
        }
    }

    fn master(profile: Profile, seed: u8) -> MasterKey {
        MasterKey { profile, key: vec![seed; profile.key_length()], salt: [seed ^ 0x55; SALT] }
    }

    /// The salt of RFC 3711, appendix B.3, has 14 bytes of which the last two matter, so its vectors only confirm the
    /// structure of the derivation. Interoperability is tested with pages built on str0m.
    #[test]
    fn labels_and_profiles_give_different_keys() {
        let mut seen = std::collections::HashSet::new();
        for profile in [Profile::Aes128Gcm, Profile::Aes256Gcm] {
            for label in [RTP_KEY, RTP_SALT, RTCP_KEY, RTCP_SALT] {
                assert!(seen.insert(derive(&master(profile, 7), label, 12).expect("derived")));
            }
        }
    }

    #[test]
    fn what_is_sealed_is_opened_and_nothing_else_is() {
        for profile in [Profile::Aes128Gcm, Profile::Aes256Gcm] {
            let sealer = Sealer::new(&master(profile, 1)).expect("a key");
            let opener = Opener::new(&master(profile, 1)).expect("a key");
            let stranger = Opener::new(&master(profile, 2)).expect("a key");
            let mut packet = bytes(HEADER);
            packet.extend_from_slice(PLAIN);
            sealer.seal_rtp(&mut packet, 12, 9, 70_000).expect("sealed");
            let mut plain = Vec::new();
            assert_eq!(opener.open_rtp(&packet, 12, 9, 70_000, &mut plain), Ok(()));
            assert_eq!(plain, PLAIN);
            assert_eq!(stranger.open_rtp(&packet, 12, 9, 70_000, &mut plain), Err(Refused));
            assert_eq!(opener.open_rtp(&packet, 12, 9, 70_000 - 65_536, &mut plain), Err(Refused));
            assert_eq!(opener.open_rtp(&packet, 12, 8, 70_000, &mut plain), Err(Refused));
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                changed[at] ^= 1;
                assert_eq!(opener.open_rtp(&changed, 12, 9, 70_000, &mut plain), Err(Refused), "byte {at}");
            }
            for length in 0..packet.len() {
                assert_eq!(opener.open_rtp(&packet[..length], 12, 9, 70_000, &mut plain), Err(Refused));
            }
        }
    }

    #[test]
    fn rtcp_is_opened_once() {
        let mut sealer = Sealer::new(&master(Profile::Aes128Gcm, 1)).expect("a key");
        let mut opener = Opener::new(&master(Profile::Aes128Gcm, 1)).expect("a key");
        let report = bytes("80c90001000000070102030405060708");
        let sealed: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                let mut packet = report.clone();
                sealer.seal_rtcp(&mut packet).expect("sealed");
                packet
            })
            .collect();
        assert_ne!(sealed[0], sealed[1]);
        let mut plain = Vec::new();
        for at in [1, 0, 2] {
            for byte in 0..sealed[at].len() {
                let mut changed = sealed[at].clone();
                changed[byte] ^= 1;
                assert_eq!(opener.open_rtcp(&changed, &mut plain), Err(Refused), "byte {byte}");
            }
            assert_eq!(opener.open_rtcp(&sealed[at], &mut plain), Ok(()));
            assert_eq!(plain, report);
            assert_eq!(opener.open_rtcp(&sealed[at], &mut plain), Err(Refused));
        }
        for length in 0..20 {
            assert_eq!(opener.open_rtcp(&sealed[0][..length], &mut plain), Err(Refused));
        }
    }
}
