//! Conversions between str0m's types and those of this crate.

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

/// Interval of reports about the path to a page.
const REPORTS: Duration = Duration::from_millis(500);
/// Interval of receiver reports on audio, from which a page decides on more redundancy.
const SOUND_REPORTS: Duration = Duration::from_secs(2);

/// The RTP header extensions offered to pages (RFC 8285), with their usual IDs.
///
/// `urn:3gpp:video-orientation` is not included: Firefox ignores it and would display rotated video sideways. A sender
/// without the extension rotates the video before encoding, so it is upright at every receiver.
const EXTENSIONS: [(u8, Extension); 6] = [
    (1, Extension::AudioLevel),
    (2, Extension::AbsoluteSendTime),
    (3, Extension::TransportSequenceNumber),
    (4, Extension::RtpMid),
    (10, Extension::RtpStreamId),
    (11, Extension::RepairedRtpStreamId),
];

/// Configures DTLS 1.2, because with 1.3 the browser's preference applies and SRTP would not use AES-GCM. Configures
/// VP8 only: every browser supports it, and forwarding requires one codec that all participants share.
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

/// Converts ICE credentials for str0m.
pub(crate) fn credentials(ice: &IceCredentials) -> IceCreds {
    IceCreds { ufrag: ice.ufrag.clone(), pass: ice.password.clone() }
}

/// Converts a local address to a str0m host candidate.
pub(crate) fn host_candidate(transport: Transport, address: SocketAddr) -> Option<Candidate> {
    match transport {
        Transport::Udp => Candidate::host(address, Protocol::Udp).ok(),
        Transport::Tcp => Candidate::builder().tcp().host(address).tcptype(str0m::net::TcpType::Passive).build().ok(),
    }
}

/// Converts a sender report from str0m.
fn sender_time(report: &str0m::rtp::rtcp::SenderInfo) -> SenderTime {
    let since = report.ntp_time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    // RTP time is modulo 2^32.
    SenderTime { ntp: (since.as_secs() << 32) | fraction, timestamp: report.rtp_time.numer() as u32 }
}

/// Returns whether a datagram is RTP or RTCP (RFC 7983).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| matches!(first, 128..=191))
}

/// Returns the path of a datagram that str0m wants to send.
pub(crate) fn path_of(transmit: &str0m::net::Transmit) -> Path {
    let transport = match transmit.proto {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
    };
    Path { transport, local: transmit.source, remote: transmit.destination }
}

/// Converts a packet from str0m.
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

/// Converts a transport for str0m.
pub(crate) fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}
