//! Client IP addresses, including those of clients behind a reverse proxy.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::app::App;
use crate::config::Network;
use crate::http::error::Error;

/// Header in which proxies append client addresses. RFC 7239's `Forwarded` is ignored: a proxy that sets one of the two
/// headers forwards the other unchanged from the client.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Canonical client IP address of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientIp(pub(crate) IpAddr);

impl FromRequestParts<App> for ClientIp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        Ok(Self(client_ip(peer_of(parts)?, &parts.headers, &app.config.server.trusted_proxies)))
    }
}

/// IP address of the TCP peer, which is the reverse proxy if there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerIp(pub(crate) IpAddr);

impl FromRequestParts<App> for PeerIp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        Ok(Self(peer_of(parts)?))
    }
}

fn peer_of(parts: &Parts) -> Result<IpAddr, Error> {
    match parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => Ok(peer.ip()),
        None => {
            tracing::error!("a request without an address");
            Err(Error::Internal)
        }
    }
}

/// Returns the client address of a request from `peer`. If `peer` is a trusted proxy, it is the rightmost address in
/// the header that is not a trusted proxy. Entries further left are client-controlled and must not be trusted.
fn client_ip(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let mut address = canonical(peer);
    let lines: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(|line| line.as_bytes()).collect();
    let mut hops = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    while proxies.iter().any(|proxy| proxy.contains(address)) {
        match hops.next().and_then(parse_hop) {
            Some(hop) => address = hop,
            None => break,
        }
    }
    address
}

/// Parses an address with or without a port.
fn parse_hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let address = text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()).map(canonical)
}

/// Converts an IPv4-mapped IPv6 address to IPv4 (RFC 4291, section 2.5.5.2).
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn proxies() -> [Network; 2] {
        ["127.0.0.1", "10.0.0.0/8"].map(|text| Network::try_from(text.to_owned()).expect("a network"))
    }

    fn of(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a header"));
        }
        client_ip(ip(peer), &headers, &proxies()).to_string()
    }

    #[test]
    fn only_proxies_are_believed_and_only_what_they_saw_themselves() {
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "a stranger's word");
        assert_eq!(of("127.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(of("::ffff:127.0.0.1", &["::ffff:198.51.100.7"]), "198.51.100.7", "however it is written");
        assert_eq!(of("127.0.0.1", &["6.6.6.6, 198.51.100.7, 10.1.1.1"]), "198.51.100.7", "two proxies");
        assert_eq!(of("127.0.0.1", &["6.6.6.6", "198.51.100.7", "10.1.1.1"]), "198.51.100.7", "in lines of their own");
        assert_eq!(of("127.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7", "with a port");
        assert_eq!(of("127.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(of("127.0.0.1", &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(of("127.0.0.1", &[]), "127.0.0.1", "the proxy itself");
        assert_eq!(of("127.0.0.1", &["10.0.0.9, 10.0.0.8"]), "10.0.0.9", "from inside");
        assert_eq!(of("127.0.0.1", &["6.6.6.6, unknown, 10.0.0.8"]), "10.0.0.8", "what is no address ends it");
        assert_eq!(of("127.0.0.1", &["198.51.100.7,"]), "127.0.0.1");
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
            any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
            any::<[u8; 4]>().prop_map(|four| IpAddr::V6(std::net::Ipv4Addr::from(four).to_ipv6_mapped())),
        ]
    }

    fn any_line() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,60}",
            any_ip().prop_map(|ip| ip.to_string()),
            proptest::collection::vec(any_ip(), 0..5).prop_map(|ips| ips
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")),
        ]
    }

    proptest! {
        /// For a peer that is not a trusted proxy, the header has no effect.
        #[test]
        fn a_strangers_header_changes_nothing(peer in any_ip(), lines in proptest::collection::vec(any_line(), 0..4)) {
            prop_assume!(!proxies().iter().any(|proxy| proxy.contains(peer)));
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(of(&peer.to_string(), &lines), canonical(peer).to_string());
        }

        /// Entries to the left of the one that the proxy appended have no effect.
        #[test]
        fn what_was_there_before_a_proxys_word_changes_nothing(
            client in any_ip(),
            lines in proptest::collection::vec(any_line(), 0..4),
            in_one_line in any::<bool>(),
        ) {
            prop_assume!(!proxies().iter().any(|proxy| proxy.contains(client)));
            let client = client.to_string();
            let joined = lines.iter().map(String::as_str).chain([&*client]).collect::<Vec<_>>();
            let found = if in_one_line { of("10.2.3.4", &[&joined.join(", ")]) } else { of("10.2.3.4", &joined) };
            prop_assert_eq!(found, canonical(ip(&client)).to_string());
        }
    }
}
