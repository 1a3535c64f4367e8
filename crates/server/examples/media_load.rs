//! Measures the media server: `cargo run --release --example media_load -- ROOMS SECONDS`.
//!
//! This process holds the media server with one worker. A second process plays two people a room, each
//! with a str0m connection and a UDP socket of its own, sending 30 pictures a second of six packets and
//! 50 packets of sound. So the CPU time of the worker's thread and the memory of this process are the
//! server's alone; the latency includes the players'.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use bedside::config::MediaConfig;
use bedside::media::{Media, MediaJoin, MediaServer};
use bedside_visit::{UserId, VisitId};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use uuid::Uuid;

const FRAME: Duration = Duration::from_nanos(33_333_333);
const SOUND: Duration = Duration::from_millis(20);
const PACKETS_A_FRAME: u64 = 6;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| words.get(at).map_or(default, |word| word.parse().unwrap());
    if words.get(1).is_some_and(|word| word == "play") {
        play(u16::try_from(number(2, 0)).unwrap(), number(3, 20), number(4, 20));
    } else {
        serve(number(1, 20), number(2, 20));
    }
}

// The server.

fn serve(rooms: u64, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = MediaConfig { bind: Ipv4Addr::LOCALHOST.into(), port: 0, workers: 1, ..MediaConfig::default() };
    let (media, _events) = MediaServer::start(&config).unwrap();
    let before = resident();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let arguments = ["play".to_owned(), port.to_string(), rooms.to_string(), seconds.to_string()];
    let mut players = Command::new(std::env::current_exe().unwrap()).args(arguments).spawn().unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    let mut started = None;
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let (word, rest) = line.trim_end().split_once(' ').unwrap();
        match word {
            "offer" => {
                let answer = runtime.block_on(answer(&media, rest));
                writeln!(writer, "{}", serde_json::to_string(&answer).unwrap()).unwrap();
            }
            "start" => started = Some((Instant::now(), worker_nanoseconds())),
            "stop" => {
                let (at, nanoseconds) = started.unwrap();
                report(rooms, rest, at.elapsed(), worker_nanoseconds() - nanoseconds, resident() - before);
                break;
            }
            _ => panic!("unexpected: {line}"),
        }
    }
    players.wait().unwrap();
    println!("{:?}", media.statistics());
    media.shutdown();
}

/// `ROOM USER OFFER`, the offer as a JSON string.
async fn answer(media: &Media, text: &str) -> String {
    let mut words = text.splitn(3, ' ');
    let mut number = || words.next().unwrap().parse::<u128>().unwrap();
    let (room, user) = (number(), number());
    let id = |number| UserId::new(Uuid::from_u128(number));
    let join = MediaJoin {
        room: VisitId::new(Uuid::from_u128(room)),
        user: id(user),
        page_peer: 1,
        others: vec![id(3 - user)],
        offer: serde_json::from_str(words.next().unwrap()).unwrap(),
        admitted: true,
        microphone: true,
        camera: true,
    };
    media.connect(join).await.unwrap().sdp
}

#[allow(clippy::cast_precision_loss)]
fn report(rooms: u64, counted: &str, time: Duration, nanoseconds: u64, memory: u64) {
    let numbers: Vec<u64> = counted.split(' ').map(|word| word.parse().unwrap()).collect();
    let [sent, received, p50, p99] = numbers[..] else { panic!("{counted}") };
    let (received, cpu, seconds) = (received as f64, nanoseconds as f64 / 1e9, time.as_secs_f64());
    println!(
        "{rooms} rooms: {:.0} packets/s forwarded ({:.2} % of those sent), {:.1} CPU-s per million, worker at {:.0} %, \
         latency p50 {:.2} ms p99 {:.2} ms, {:.2} MB a participant",
        received / seconds,
        100.0 * received / sent as f64,
        cpu / received * 1e6,
        100.0 * cpu / seconds,
        p50 as f64 / 1000.0,
        p99 as f64 / 1000.0,
        memory as f64 / 1024.0 / (2 * rooms) as f64,
    );
}

/// CPU time of the media thread.
fn worker_nanoseconds() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path());
    let is_worker = |task: &std::path::PathBuf| {
        std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("bedside-media"))
    };
    let of = |task: std::path::PathBuf| {
        let text = std::fs::read_to_string(task.join("schedstat")).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    tasks.filter(is_worker).map(of).sum()
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

// The players.

struct Player {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    microphone: Mid,
    camera: Mid,
    opus: Pt,
    vp8: Pt,
    connected: bool,
    due: Instant,
    next_sound: Instant,
    next_frame: Instant,
    sounds: u64,
    frames: u64,
}

#[derive(Default)]
struct Tally {
    counting: bool,
    sent: u64,
    received: u64,
    microseconds: Vec<u32>,
}

fn play(port: u16, rooms: u64, seconds: u64) {
    str0m::crypto::from_feature_flags().install_process_default();
    let epoch = Instant::now();
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = BufReader::new(server.try_clone().unwrap());
    let mut poll = Poll::new().unwrap();
    let mut players = Vec::new();
    for number in 0..rooms * 2 {
        let mut player = Player::new(number, epoch);
        player.connect(number, &mut server, &mut answers);
        let token = Token(players.len());
        poll.registry().register(&mut player.socket, token, Interest::READABLE).unwrap();
        players.push(player);
    }
    let mut tally = Tally::default();
    run(&mut poll, &mut players, &mut tally, epoch, Duration::from_secs(60), true);
    run(&mut poll, &mut players, &mut tally, epoch, Duration::from_secs(3), false);
    writeln!(server, "start now").unwrap();
    tally.counting = true;
    run(&mut poll, &mut players, &mut tally, epoch, Duration::from_secs(seconds), false);
    tally.microseconds.sort_unstable();
    let at = |share: usize| tally.microseconds[(tally.microseconds.len() - 1) * share / 100];
    writeln!(server, "stop {} {} {} {}", tally.sent, tally.received, at(50), at(99)).unwrap();
}

fn run(poll: &mut Poll, players: &mut [Player], tally: &mut Tally, epoch: Instant, time: Duration, connecting: bool) {
    let end = Instant::now() + time;
    let mut events = Events::with_capacity(1024);
    loop {
        let now = Instant::now();
        if now >= end || (connecting && players.iter().all(|player| player.connected)) {
            return;
        }
        let next = players.iter().map(|player| player.due.min(player.next_sound).min(player.next_frame)).min().unwrap();
        poll.poll(&mut events, Some(next.saturating_duration_since(now).min(end - now))).unwrap();
        for event in &events {
            players[event.token().0].receive(epoch, tally);
        }
        let now = Instant::now();
        for player in players.iter_mut() {
            player.speak(now, epoch, tally);
            if player.due <= now {
                player.rtc.handle_input(Input::Timeout(now)).unwrap();
                player.poll(epoch, tally);
            }
        }
    }
}

impl Player {
    fn new(number: u64, now: Instant) -> Self {
        let config = RtcConfig::new().clear_codecs().enable_opus(true, true).enable_vp8(true).set_rtp_mode(true);
        let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let local = socket.local_addr().unwrap();
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(local, Protocol::Udp).unwrap());
        // Not all at the same moment, as people are not.
        let offset = |period: Duration| now + period * u32::try_from(number % 97).unwrap() / 97;
        Self {
            rtc,
            socket,
            local,
            microphone: "0".into(),
            camera: "0".into(),
            opus: 0.into(),
            vp8: 0.into(),
            connected: false,
            due: now,
            next_sound: offset(SOUND),
            next_frame: offset(FRAME),
            sounds: 0,
            frames: 0,
        }
    }

    fn connect(&mut self, number: u64, server: &mut TcpStream, answers: &mut impl BufRead) {
        let mut api = self.rtc.sdp_api();
        let mut add = |kind, direction| api.add_media(kind, direction, None, None, None);
        self.microphone = add(MediaKind::Audio, Direction::SendOnly);
        self.camera = add(MediaKind::Video, Direction::SendOnly);
        add(MediaKind::Audio, Direction::RecvOnly);
        add(MediaKind::Video, Direction::RecvOnly);
        let (offer, pending) = api.apply().unwrap();
        let offer = serde_json::to_string(&offer.to_sdp_string()).unwrap();
        writeln!(server, "offer {} {} {offer}", number / 2, 1 + number % 2).unwrap();
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        let answer = SdpAnswer::from_sdp_string(&serde_json::from_str::<String>(&line).unwrap()).unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        let pt = |codec| self.rtc.codec_config().find(|params| params.spec().codec == codec).unwrap().pt();
        (self.opus, self.vp8) = (pt(Codec::Opus), pt(Codec::Vp8));
    }

    fn receive(&mut self, epoch: Instant, tally: &mut Tally) {
        let mut buffer = [0; 2048];
        while let Ok((count, from)) = self.socket.recv_from(&mut buffer) {
            let now = Instant::now();
            let receive = Receive::new(Protocol::Udp, from, self.local, &buffer[..count]).unwrap();
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            self.poll(epoch, tally);
        }
    }

    fn speak(&mut self, now: Instant, epoch: Instant, tally: &mut Tally) {
        let stamp = u64::try_from(epoch.elapsed().as_micros()).unwrap().to_be_bytes();
        let mut spoke = 0;
        if self.next_sound <= now {
            self.next_sound += SOUND;
            self.sounds += 1;
            let payload = [&[0; 2][..], &stamp, &[0; 110]].concat();
            let time = u32::try_from(self.sounds * 960).unwrap();
            self.write(self.microphone, RtpWrite::new(self.opus, self.sounds.into(), time, now, payload));
            spoke += 1;
        }
        if self.next_frame <= now {
            self.next_frame += FRAME;
            self.frames += 1;
            let time = u32::try_from(self.frames * 3000).unwrap();
            for part in 0..PACKETS_A_FRAME {
                let start = if part == 0 { 0x10 } else { 0 };
                let payload = [&[start, 0][..], &stamp, &[0; 990]].concat();
                let number = self.frames * PACKETS_A_FRAME + part;
                let packet = RtpWrite::new(self.vp8, number.into(), time, now, payload);
                self.write(self.camera, packet.marker(part + 1 == PACKETS_A_FRAME).nackable(true));
            }
            spoke += PACKETS_A_FRAME;
        }
        if spoke > 0 && self.connected {
            tally.sent += if tally.counting { spoke } else { 0 };
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.poll(epoch, tally);
        }
    }

    fn write(&mut self, mid: Mid, packet: RtpWrite) {
        if self.connected {
            self.rtc.direct_api().stream_tx_by_mid(mid, None).unwrap().write_rtp(packet);
        }
    }

    fn poll(&mut self, epoch: Instant, tally: &mut Tally) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.due = at;
                    return;
                }
                Output::Transmit(transmit) => drop(self.socket.send_to(&transmit.contents, transmit.destination)),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) if tally.counting => {
                    let stamp = u64::from_be_bytes(packet.payload[2..10].try_into().unwrap());
                    let now = u64::try_from(epoch.elapsed().as_micros()).unwrap();
                    tally.received += 1;
                    tally.microseconds.push(u32::try_from(now - stamp).unwrap());
                }
                Output::Event(_) => (),
            }
        }
    }
}
