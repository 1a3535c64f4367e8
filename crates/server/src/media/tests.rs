//! Tests with real sockets on 127.0.0.1: two str0m clients connect through the runtime.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bedside_sfu::rfc4571;
use bedside_visit::{UserId, VisitId};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use super::*;

fn config() -> MediaConfig {
    MediaConfig { bind: Ipv4Addr::LOCALHOST.into(), port: 0, workers: 2, ..MediaConfig::default() }
}

fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

fn room() -> VisitId {
    VisitId::new(Uuid::from_u128(7))
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, rfc4571::Decoder),
}

struct Page {
    rtc: Rtc,
    wire: Option<Wire>,
    local: SocketAddr,
    microphone: Mid,
    camera: Mid,
    said: u64,
    sound: Vec<u64>,
    pictures: Vec<u64>,
}

impl Page {
    fn new(local: SocketAddr) -> (Self, String, SdpPendingOffer) {
        let mut rtc = RtcConfig::new()
            .clear_codecs()
            .enable_opus(true, true)
            .enable_vp8(true)
            .set_rtp_mode(true)
            .build(Instant::now());
        let mut api = rtc.sdp_api();
        let mut add = |kind, direction| api.add_media(kind, direction, None, None, None);
        let microphone = add(MediaKind::Audio, Direction::SendOnly);
        let camera = add(MediaKind::Video, Direction::SendOnly);
        add(MediaKind::Audio, Direction::RecvOnly);
        add(MediaKind::Video, Direction::RecvOnly);
        let (offer, pending) = api.apply().unwrap();
        let page =
            Self { rtc, wire: None, local, microphone, camera, said: 0, sound: Vec::new(), pictures: Vec::new() };
        (page, offer.to_sdp_string(), pending)
    }

    /// Creates an offer, gets it answered, and connects the transport.
    async fn connect(media: &Media, who: u128, other: u128, page_peer: u32, tcp: bool) -> Self {
        Self::connect_as(media, join(who, other, page_peer, String::new()), tcp).await
    }

    async fn connect_as(media: &Media, mut join: MediaJoin, tcp: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (mut page, offer, pending) = Self::new(socket.local_addr().unwrap());
        join.offer = offer;
        let others = [join.others[0]; 2];
        let answer = media.connect(join).await.unwrap();
        assert_eq!(answer.tracks.iter().map(|(_, user)| *user).collect::<Vec<_>>(), others);
        let server = server_address(&answer.sdp);
        if tcp {
            let stream = TcpStream::connect(server).unwrap();
            page.local = stream.local_addr().unwrap();
            stream.set_nonblocking(true).unwrap();
            let candidate = Candidate::builder().tcp().host(page.local).tcptype(TcpType::Active).build().unwrap();
            page.rtc.add_local_candidate(candidate);
            page.wire = Some(Wire::Tcp(stream, rfc4571::Decoder::new()));
        } else {
            socket.set_nonblocking(true).unwrap();
            page.rtc.add_local_candidate(Candidate::host(page.local, Protocol::Udp).unwrap());
            page.wire = Some(Wire::Udp(socket));
        }
        let answer = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
        page.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        page
    }

    fn step(&mut self) {
        let now = Instant::now();
        let mut arrived: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        let mut buffer = [0; 4096];
        let proto = match self.wire.as_mut().unwrap() {
            Wire::Udp(socket) => {
                while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                    arrived.push((from, buffer[..count].to_vec()));
                }
                Protocol::Udp
            }
            Wire::Tcp(stream, decoder) => {
                let from = stream.peer_addr().unwrap();
                while let Ok(count) = stream.read(&mut buffer) {
                    assert_ne!(count, 0, "the server closed the connection");
                    decoder.push(&buffer[..count], |frame| arrived.push((from, frame.to_vec()))).unwrap();
                }
                Protocol::Tcp
            }
        };
        for (from, contents) in arrived {
            let receive = Receive::new(proto, from, self.local, &contents).unwrap();
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            self.poll();
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => match self.wire.as_mut().unwrap() {
                    Wire::Udp(socket) => drop(socket.send_to(&transmit.contents, transmit.destination)),
                    Wire::Tcp(stream, _) => {
                        let mut frame = Vec::new();
                        rfc4571::encode(&transmit.contents, &mut frame).unwrap();
                        stream.write_all(&frame).unwrap();
                    }
                },
                Output::Event(Event::RtpPacket(packet)) => {
                    let number = *packet.seq_no;
                    if packet.payload.len() == 8 { self.sound.push(number) } else { self.pictures.push(number) }
                }
                Output::Event(_) => (),
            }
        }
    }

    /// Sends an audio packet, and a keyframe of three packets.
    fn speak(&mut self) {
        self.said += 1;
        let pt = |rtc: &Rtc, codec| rtc.codec_config().find(|params| params.spec().codec == codec).unwrap().pt();
        let (opus, vp8) = (pt(&self.rtc, Codec::Opus), pt(&self.rtc, Codec::Vp8));
        let time = u32::try_from(self.said).unwrap();
        let now = Instant::now();
        let mut api = self.rtc.direct_api();
        let sound = RtpWrite::new(opus, self.said.into(), time * 960, now, self.said.to_be_bytes().to_vec());
        api.stream_tx_by_mid(self.microphone, None).unwrap().write_rtp(sound);
        for part in 0..3 {
            let mut payload = vec![0; 1000];
            payload[0] = if part == 0 { 0x10 } else { 0 };
            let number = self.said * 3 + part;
            let picture = RtpWrite::new(vp8, number.into(), time * 1800, now, payload).marker(part == 2);
            api.stream_tx_by_mid(self.camera, None).unwrap().write_rtp(picture);
        }
    }
}

fn join(who: u128, other: u128, page_peer: u32, offer: String) -> MediaJoin {
    MediaJoin {
        room: room(),
        user: user(who),
        page_peer,
        others: vec![user(other)],
        offer,
        admitted: true,
        microphone: true,
        camera: true,
        near: true,
    }
}

fn server_address(sdp: &str) -> SocketAddr {
    let line = sdp.lines().find(|line| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 ")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    SocketAddr::new(words[4].parse().unwrap(), words[5].parse().unwrap())
}

/// Steps the pages until the condition holds, and panics after ten seconds.
async fn until(pages: &mut [&mut Page], what: &str, mut so: impl FnMut(&mut [&mut Page]) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !so(pages) {
        assert!(Instant::now() < end, "timed out waiting: {what}");
        pages.iter_mut().for_each(|page| page.step());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns the user and the change of a connection event.
fn of_connection(event: &MediaEvent) -> Option<(UserId, MediaEventKind)> {
    match &event.news {
        MediaNews::Connection { user, kind, .. } => Some((*user, kind.clone())),
        MediaNews::Speaking(_) => None,
    }
}

fn is_up(event: &MediaEvent) -> bool {
    matches!(event.news, MediaNews::Connection { kind: MediaEventKind::Up, .. })
}

async fn next_event(events: &mut Receiver<MediaEvent>) -> MediaEvent {
    tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap()
}

async fn converse(config: &MediaConfig, tcp: bool) {
    let (media, mut events) = MediaServer::start(config).unwrap();
    let mut ann = Page::connect(&media, 1, 2, 1, tcp).await;
    let mut bob = Page::connect(&media, 2, 1, 1, false).await;
    let mut up = 0;
    until(&mut [&mut ann, &mut bob], "both up", |_| {
        up += std::iter::from_fn(|| events.try_recv().ok()).filter(is_up).count();
        up == 2
    })
    .await;
    let heard = |page: &Page| page.sound.len() > 20 && page.pictures.len() > 60;
    until(&mut [&mut ann, &mut bob], "media flows", |pages| {
        pages.iter_mut().for_each(|page| page.speak());
        pages.iter().all(|page| heard(page))
    })
    .await;
    for page in [&ann, &bob] {
        for numbers in [&page.sound, &page.pictures] {
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
        }
    }

    // The server mutes the page, whatever the page sends.
    media.publish(room(), user(1), false, true);
    tokio::time::sleep(Duration::from_millis(50)).await;
    until(&mut [&mut bob], "packets in flight have arrived", |_| true).await;
    bob.step();
    let (sound, pictures) = (bob.sound.len(), bob.pictures.len());
    until(&mut [&mut ann, &mut bob], "video continues", |pages| {
        pages[0].speak();
        pages[1].pictures.len() > pictures + 30
    })
    .await;
    assert_eq!(bob.sound.len(), sound);

    media.drop_user(room(), user(1));
    media.shutdown();
    let gone = next_event(&mut events).await;
    let expected = (user(2), MediaEventKind::Gone { replaced: false });
    assert_eq!(of_connection(&gone), Some(expected), "no event is sent for the dropped user");
}

#[tokio::test]
async fn two_pages_converse_over_udp() {
    converse(&config(), false).await;
}

#[tokio::test]
async fn two_pages_converse_over_tcp_and_udp() {
    converse(&config(), true).await;
}

#[tokio::test]
async fn every_address_of_the_machine_is_listened_on() {
    let every = |bind: IpAddr| MediaConfig { bind, ..config() };
    converse(&every(Ipv4Addr::UNSPECIFIED.into()), true).await;
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if UdpSocket::bind((v6, 0)).is_ok() {
        converse(&every(v6), true).await;
    }
}

#[tokio::test]
async fn a_reload_with_the_same_number_is_a_new_connection() {
    let (media, mut events) = MediaServer::start(&config()).unwrap();
    let mut ann = Page::connect(&media, 1, 2, 1, false).await;
    let mut up = false;
    until(&mut [&mut ann], "up", |_| {
        up |= events.try_recv().is_ok_and(|event| is_up(&event));
        up
    })
    .await;
    let mut again = Page::connect(&media, 1, 2, 1, false).await;
    let mut seen = Vec::new();
    until(&mut [&mut ann, &mut again], "replaced", |_| {
        seen.extend(events.try_recv());
        seen.len() == 2
    })
    .await;
    let kinds: Vec<_> = seen.iter().filter_map(of_connection).map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [MediaEventKind::Up, MediaEventKind::Gone { replaced: true }]);
    media.shutdown();
}

/// Idle workers publish their counters too.
#[tokio::test]
async fn the_counters_of_each_worker_are_published_within_a_second_or_two() {
    let (media, mut events) = MediaServer::start(&config()).unwrap();
    let mut ann = Page::connect(&media, 1, 2, 1, false).await;
    let counted = |media: &Media| media.workers().iter().map(|worker| worker.statistics.peers).collect::<Vec<_>>();
    until(&mut [&mut ann], "one of the two workers counts a peer", |_| counted(&media).iter().sum::<u64>() == 1).await;
    let workers = media.workers();
    let (with, without) = (workers.iter().max_by_key(|w| w.statistics.peers), workers.iter().min_by_key(|w| w.busy));
    assert!(with.unwrap().busy > without.unwrap().busy && workers.iter().all(|worker| worker.runs), "{workers:?}");
    assert_eq!(media.statistics().received_packets, with.unwrap().statistics.received_packets);
    media.drop_user(room(), user(1));
    until(&mut [&mut ann], "none", |_| counted(&media) == [0, 0]).await;
    media.shutdown();
    assert!(
        events
            .recv()
            .await
            .is_none_or(|event| matches!(event.news, MediaNews::Connection { kind: MediaEventKind::Up, .. }))
    );
}

#[tokio::test]
async fn a_bad_offer_is_refused_and_a_stopped_server_is_busy() {
    let (media, _events) = MediaServer::start(&config()).unwrap();
    let refused = media.connect(join(1, 2, 1, "v=0".to_owned())).await;
    assert_eq!(refused, Err(MediaRefusal::BadOffer));
    assert!(media.is_healthy());
    media.shutdown();
    assert_eq!(media.connect(join(1, 2, 1, "v=0".to_owned())).await, Err(MediaRefusal::Busy));
}

#[tokio::test]
async fn a_tcp_connection_that_is_no_browser_is_closed() {
    let (media, _events) = MediaServer::start(&config()).unwrap();
    let (page, offer, _) = Page::new("127.0.0.1:9".parse().unwrap());
    drop(page);
    let answer = media.connect(join(1, 2, 1, offer)).await.unwrap();
    let mut stream = TcpStream::connect(server_address(&answer.sdp)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"\x00\x10GET / HTTP/1.1\r\n").unwrap();
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)));
    media.shutdown();
}

/// Builds a STUN binding request for a connection that does not exist.
fn made_up_check() -> Vec<u8> {
    let user = b"\x00\x06\x00\x09nobo:them\0\0\0";
    let head = [&[0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let mut frame = Vec::new();
    rfc4571::encode(&[&head, &user[..]].concat(), &mut frame).unwrap();
    frame
}

#[tokio::test]
async fn strangers_over_tcp_keep_no_page_out() {
    let config = MediaConfig { workers: 1, ..config() };
    let (media, mut events) = MediaServer::start(&config).unwrap();
    let mut ann = Page::connect(&media, 1, 2, 1, true).await;
    until(&mut [&mut ann], "the first is up", |_| events.try_recv().is_ok_and(|event| is_up(&event))).await;
    let server = match ann.wire.as_ref().unwrap() {
        Wire::Tcp(stream, _) => stream.peer_addr().unwrap(),
        Wire::Udp(_) => unreachable!("the connection uses TCP"),
    };
    let check = made_up_check();
    let mut strangers = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(server).unwrap();
        let _ = stream.write_all(&check);
        strangers.push(stream);
    }
    let mut bob = Page::connect(&media, 2, 1, 1, true).await;
    let mut up = false;
    until(&mut [&mut ann, &mut bob], "a second page connects despite the strangers", |_| {
        up |= events.try_recv().is_ok_and(|event| is_up(&event));
        up
    })
    .await;
    until(&mut [&mut ann, &mut bob], "the first page is still connected", |pages| {
        pages.iter_mut().for_each(|page| page.speak());
        pages.iter().all(|page| page.sound.len() > 20)
    })
    .await;
    until(&mut [&mut ann, &mut bob], "strangers are counted separately", |_| {
        let tcp = media.workers()[0].tcp;
        tcp.proved == 2 && tcp.strangers <= 64 && tcp.crowded_out >= 200
    })
    .await;
    until(&mut [&mut ann, &mut bob], "strangers are closed within seconds", |_| media.workers()[0].tcp.strangers == 0)
        .await;
    assert_eq!(media.workers()[0].tcp.proved, 2);
    drop(strangers);
    media.shutdown();
}

/// All users of a hospital may share one address.
#[tokio::test]
async fn many_pages_of_one_address_come_over_tcp() {
    let config = MediaConfig { workers: 1, ..config() };
    let (media, _events) = MediaServer::start(&config).unwrap();
    let mut pages = Vec::new();
    for number in 0..24 {
        let mut join = join(number, 99, 1, String::new());
        join.room = VisitId::new(Uuid::from_u128(1000 + number));
        pages.push(Page::connect_as(&media, join, true).await);
    }
    let mut all: Vec<&mut Page> = pages.iter_mut().collect();
    until(&mut all, "all pages are connected", |_| media.workers()[0].tcp.proved == 24).await;
    media.shutdown();
}

#[tokio::test]
async fn a_page_on_another_machine_is_not_told_of_loopback() {
    let every = MediaConfig { bind: Ipv4Addr::UNSPECIFIED.into(), ..config() };
    let (media, _events) = MediaServer::start(&every).unwrap();
    let mut answers = Vec::new();
    for (who, near) in [(1, true), (2, false)] {
        let (_, offer, _) = Page::new("127.0.0.1:9".parse().unwrap());
        answers.push(media.connect(MediaJoin { near, ..join(who, 3, 1, offer) }).await.unwrap().sdp);
    }
    assert!(answers[0].contains(" 127.0.0.1 "));
    let reachable = media.workers().iter().all(|worker| worker.reachable);
    assert_eq!(answers[1].contains(" 127.0.0.1 "), !reachable, "loopback is offered only if there is no other address");
    media.shutdown();
}

#[test]
fn a_port_that_is_taken_is_named_with_the_setting_to_change() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Err(error) = MediaServer::start(&MediaConfig { port, workers: 1, ..config() }) else { panic!("it started") };
    let text = error.to_string();
    assert!(text.contains(&format!("UDP port {port} of 127.0.0.1")), "{text}");
    assert!(text.contains("media.port") && text.contains("another program"), "{text}");

    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let Err(error) = MediaServer::start(&MediaConfig { bind: elsewhere, ..config() }) else { panic!("it started") };
    assert!(error.to_string().contains("media.bind"), "{error}");
}
