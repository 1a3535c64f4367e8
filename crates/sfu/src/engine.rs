//! What str0m is told, and what it says, in its terms and in ours.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use str0m::config::{DtlsCert, DtlsVersion};
use str0m::net::Protocol;
use str0m::rtp::{Extension, RtpPacket};
use str0m::{Candidate, IceCreds, RtcConfig};

use crate::codec::Encoding;
use crate::command::{IceCredentials, Transport};
use crate::egress::Path;
use crate::packet::Packet;
use crate::rtp::{self, Name, SenderTime};

/// How often the way to a page is looked at.
const REPORTS: Duration = Duration::from_millis(500);
/// How often a page is told what was lost of its sound, by which it decides on more redundancy.
const SOUND_REPORTS: Duration = Duration::from_secs(2);

/// The RTP header extensions that are offered back to pages (RFC 8285), by their usual numbers.
///
/// Without `urn:3gpp:video-orientation`: Firefox does not read it, and would show a turned picture lying on its side. A
/// sender whose answer lacks it turns the picture itself, before encoding it, so it is upright at every receiver.
const EXTENSIONS: [(u8, Extension); 6] = [
    (1, Extension::AudioLevel),
    (2, Extension::AbsoluteSendTime),
    (3, Extension::TransportSequenceNumber),
    (4, Extension::RtpMid),
    (10, Extension::RtpStreamId),
    (11, Extension::RepairedRtpStreamId),
];

/// DTLS 1.2: with 1.3 a browser's preference wins and SRTP loses AES-GCM. VP8 alone: every browser has
/// it, and one codec for all is what makes forwarding possible at all.
pub(crate) fn configured(ice: &IceCredentials, certificate: DtlsCert) -> RtcConfig {
    let config = EXTENSIONS
        .into_iter()
        .fold(RtcConfig::new().clear_extension_map(), |config, (id, extension)| config.set_extension(id, extension));
    config
        .clear_codecs()
        .enable_opus(true, true)
        .enable_vp8(true)
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_stats_interval(Some(REPORTS))
        .set_rtcp_report_interval_audio(SOUND_REPORTS)
        .set_local_ice_credentials(credentials(ice))
        .set_dtls_cert(certificate)
        .set_dtls_version(DtlsVersion::Dtls12)
        .set_crypto_provider(Arc::new(rtp::keeping()))
}

/// Ours, as str0m has them.
pub(crate) fn credentials(ice: &IceCredentials) -> IceCreds {
    IceCreds { ufrag: ice.ufrag.clone(), pass: ice.password.clone() }
}

/// One of our addresses, as str0m has it.
pub(crate) fn host_candidate(transport: Transport, address: SocketAddr) -> Option<Candidate> {
    match transport {
        Transport::Udp => Candidate::host(address, Protocol::Udp).ok(),
        Transport::Tcp => Candidate::builder().tcp().host(address).tcptype(str0m::net::TcpType::Passive).build().ok(),
    }
}

/// What str0m says of a sender report.
fn sender_time(report: &str0m::rtp::rtcp::SenderInfo) -> SenderTime {
    let since = report.ntp_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    // RTP time is modulo 2^32.
    SenderTime { ntp: (since.as_secs() << 32) | fraction, timestamp: report.rtp_time.numer() as u32 }
}

/// Whether a datagram is RTP or RTCP (RFC 7983).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| matches!(first, 128..=191))
}

/// Where str0m wants something sent.
pub(crate) fn path_of(transmit: &str0m::net::Transmit) -> Path {
    let transport = match transmit.proto {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
    };
    Path { transport, local: transmit.source, remote: transmit.destination }
}

/// A packet as str0m gives it.
pub(crate) fn packet_of<'a>(packet: &'a RtpPacket, encoding: Encoding, rid: Option<Name>) -> Packet<'a> {
    let header = &packet.header;
    let level = header.ext_vals.audio_level.map(|level| level.unsigned_abs() & 0x7f);
    let voice = if header.ext_vals.voice_activity == Some(true) { 0x80 } else { 0 };
    Packet {
        ssrc: *header.ssrc,
        rid,
        sequence: *packet.seq_no,
        timestamp: header.timestamp,
        encoding,
        marker: header.marker,
        audio_level: level.map(|level| level | voice),
        sender_time: packet.last_sender_info.as_ref().map(sender_time),
        arrived: packet.timestamp,
        payload: &packet.payload,
    }
}

/// str0m's name of a transport.
pub(crate) fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}
