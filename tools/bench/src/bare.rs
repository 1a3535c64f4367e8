//! The minimal media connection, used for the floor: an RTP header, AES-128-GCM, and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::clock;
use crate::error::BenchError;
use crate::options::Load;
use crate::payload::{LEAST, SOUND};
use crate::player::{Connection, NEVER, Packet, Person, Player};
use crate::socket::Datagram;
use crate::tally::Tally;

/// Bytes before the payload: the 12-byte RTP header and about as many bytes of header extensions as browsers send.
const HEADER: usize = 28;
/// Unencrypted bytes: the header, and the mark, so that a receiver can count without decrypting.
pub(crate) const CLEAR: usize = HEADER + LEAST;
/// Size of the authentication tag.
pub(crate) const TAG: usize = 16;
/// How long to wait for an echo.
const AGAIN: Duration = Duration::from_millis(50);
/// `[HELLO, room, participant]` announces a participant, and is echoed.
const HELLO: u8 = 0;
/// Its size in bytes.
const HELLO_BYTES: usize = 9;

/// The connection of one participant.
pub(crate) struct Bare {
    room: u32,
    number: u32,
    server: SocketAddr,
    key: LessSafeKey,
    /// When the announcement is repeated.
    deadline: Instant,
    packets: u64,
    scratch: Vec<u8>,
}

impl Bare {
    /// Creates a participant in a room with `others` other participants.
    pub(crate) fn player(
        address: IpAddr,
        server: SocketAddr,
        (room, number): (u32, u32),
        load: &Load,
        others: usize,
    ) -> Result<Player, BenchError> {
        let person = Person::new(address, load, others)?;
        let (key, deadline) = (key_of(number)?, clock::instant());
        let bare = Self { room, number, server, key, deadline, packets: 0, scratch: Vec::new() };
        Ok(Player::new(bare, person, load, true))
    }
}

impl Connection for Bare {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn timeout(&mut self, now: Instant, person: &mut Person, _: &mut Tally) {
        if person.is_connected() {
            self.deadline = now + NEVER;
            return;
        }
        let mut hello = [HELLO; HELLO_BYTES];
        hello[1..5].copy_from_slice(&self.room.to_be_bytes());
        hello[5..].copy_from_slice(&self.number.to_be_bytes());
        person.socket().send(&hello, self.server);
        self.deadline = now + AGAIN;
    }

    fn write(&mut self, packet: Packet, _: Instant, person: &mut Person, _: &mut Tally) {
        self.packets += 1;
        self.scratch.clear();
        let pt = if packet.stream == SOUND { 111 } else { 96 };
        self.scratch.extend([0x80, pt | u8::from(packet.marker) << 7, 0, 0]);
        self.scratch.extend(packet.time.to_be_bytes());
        self.scratch.extend(self.number.to_be_bytes());
        self.scratch.extend(self.packets.to_be_bytes());
        self.scratch.resize(HEADER, 0);
        self.scratch.extend_from_slice(&packet.payload);
        self.scratch.resize(HEADER + packet.payload.len() + TAG, 0);
        if seal(&self.key, &mut self.scratch) {
            person.send(&self.scratch, self.server);
        }
    }

    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>, person: &mut Person, tally: &mut Tally) {
        if hello(datagram.contents).is_some() {
            person.set_connected(true);
            self.deadline = now + NEVER;
        } else if let Some(payload) = datagram.contents.get(HEADER..) {
            person.hear(payload, datagram.arrived, tally);
        }
    }
}

/// Parses an announcement into room and participant number.
pub(crate) fn hello(datagram: &[u8]) -> Option<(u32, u32)> {
    let (HELLO, rest) = datagram.split_first().map(|(first, rest)| (*first, rest))? else { return None };
    let (room, number) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*room), u32::from_be_bytes(number.try_into().ok()?)))
}

/// Returns the key for a participant's packets in both directions. It need not be secret.
pub(crate) fn key_of(number: u32) -> Result<LessSafeKey, BenchError> {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    let key = UnboundKey::new(&AES_128_GCM, &bytes).map_err(BenchError::server("a key"))?;
    Ok(LessSafeKey::new(key))
}

/// Encrypts a packet in place. Its last 16 bytes become the tag.
pub(crate) fn seal(key: &LessSafeKey, packet: &mut [u8]) -> bool {
    let Some(nonce) = nonce(packet) else { return false };
    let Some((clear, rest)) = packet.split_at_mut_checked(CLEAR) else { return false };
    let Some((secret, tag)) = rest.split_last_chunk_mut::<TAG>() else { return false };
    match key.seal_in_place_separate_tag(nonce, Aad::from(&*clear), secret) {
        Ok(made) => {
            tag.copy_from_slice(made.as_ref());
            true
        }
        Err(_) => false,
    }
}

/// Decrypts a packet in place.
pub(crate) fn open(key: &LessSafeKey, packet: &mut [u8]) -> bool {
    let Some(nonce) = nonce(packet) else { return false };
    let Some((clear, rest)) = packet.split_at_mut_checked(CLEAR) else { return false };
    key.open_in_place(nonce, Aad::from(&*clear), rest).is_ok()
}

/// Returns the nonce: the packet's number, which is unique per sender.
fn nonce(packet: &[u8]) -> Option<Nonce> {
    let mut bytes = [0; 12];
    bytes.copy_from_slice(packet.get(8..20)?);
    Some(Nonce::assume_unique_for_key(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_opened_with_the_key_it_was_sealed_with() {
        let (key, other) = (key_of(1).expect("a key"), key_of(2).expect("a key"));
        let packet: Vec<u8> = (0..=255).cycle().take(CLEAR + 100 + TAG).collect();
        let mut sealed = packet.clone();
        assert!(seal(&key, &mut sealed));
        assert_eq!(sealed[..CLEAR], packet[..CLEAR]);
        assert_ne!(sealed[CLEAR..CLEAR + 100], packet[CLEAR..CLEAR + 100]);
        assert!(!open(&other, &mut sealed.clone()));
        assert!(open(&key, &mut sealed));
        assert_eq!(sealed[..CLEAR + 100], packet[..CLEAR + 100]);
        assert!(!seal(&key, &mut [0; CLEAR + TAG - 1]));
    }

    #[test]
    fn an_announcement_is_told_from_media() {
        assert_eq!(hello(&[0, 0, 0, 0, 3, 0, 0, 0, 9]), Some((3, 9)));
        assert_eq!(hello(&[0x80; 9]), None);
        assert_eq!(hello(&[0; 8]), None);
        assert_eq!(hello(&[]), None);
    }
}
