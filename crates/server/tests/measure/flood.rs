//! The effect of request floods on signed-in users.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bedside_visit::signalling::Command;
use socket2::{Domain, Protocol, Socket, Type};

use crate::api::{Tally, load};
use crate::figures::{Figures, Sample, number};
use crate::program::Program;
use crate::support::Page;

/// Failed sign-ins per second, from this many addresses, so that the limit per network is not reached.
const FLOOD: u32 = 200;
const ADDRESSES: u8 = 60;
const SENDERS: usize = 48;
/// Requests per second of the signed-in user.
const RATE: u32 = 200;
const SECONDS: u32 = 4;
const PAIRS: usize = 5;
/// Mute commands in a row. Those of all pairs stay below the limit for a page.
const MUTES: usize = 9;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn reading_an_appointment_in_a_flood_of_sign_ins() {
    let mut figures = Figures::new("A flood of wrong sign-ins");
    let program = Program::start().await;
    let (booked, patient, _) = program.prepare(1).await;
    let port = program.address.port();
    let request = Arc::new(format!(
        "GET /api/appointments/{} HTTP/1.1\r\nhost: localhost:{port}\r\naccept: application/json\r\ncookie: {}\r\n\r\n",
        booked[0].id,
        patient.cookie_header()
    ));
    let address = program.address;
    let read = move || {
        let request = Arc::clone(&request);
        tokio::task::spawn_blocking(move || load(address, &request, RATE, SECONDS))
    };
    // Exhausts the burst allowance before measuring.
    let flood = Flood::begin(address, wrong_sign_in);
    read().await.expect("warmed up");
    let mut tried = flood.end();

    let (mut calm, mut flooded) = (Sample::default(), Sample::default());
    let (mut ratios, mut errors) = (Vec::new(), 0);
    for _ in 0..PAIRS {
        let without = read().await.expect("measured");
        let flood = Flood::begin(address, wrong_sign_in);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let cpu = program.cpu();
        let with = read().await.expect("measured");
        let cpu = (program.cpu() - cpu) / f64::from(SECONDS);
        tried.add(&flood.end());
        errors += without.errors + with.errors;
        let of = |tally: &Tally| {
            let mut sample = Sample::default();
            sample.extend(tally.milliseconds.clone());
            sample.at(0.99)
        };
        let ratio = of(&with) / of(&without);
        println!(
            "p99 without {:.2} ms, with {:.2} ms, ratio {ratio:.2}, server {cpu:.2} cores",
            of(&without),
            of(&with)
        );
        ratios.push(ratio);
        calm.extend(without.milliseconds);
        flooded.extend(with.milliseconds);
    }
    assert!(tried.refused > tried.looked_at && tried.looked_at > 0, "the flood is limited: {tried:?}");
    let how =
        format!("{PAIRS} times {SECONDS} s each, in turns, {RATE} a second, release program in a process of its own");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        figures.add(&format!("GET, without, {name}"), number(calm.at(share)), "ms", calm.len(), &how);
        figures.add(
            &format!("GET, with {FLOOD} a second, {name}"),
            number(flooded.at(share)),
            "ms",
            flooded.len(),
            &how,
        );
    }
    ratios.sort_by(f64::total_cmp);
    figures.add(
        "p99 with to without, median of the pairs",
        number(ratios[PAIRS / 2]),
        "",
        PAIRS,
        "one pair after the other",
    );
    figures.add("errors of the reader", errors, "", calm.len() + flooded.len(), "not 200, or no answer in 5 s");
    figures.add(
        "sign-ins that were checked",
        tried.looked_at,
        "",
        tried.all(),
        "the others were refused with 429 or 503",
    );
    figures.table();
    program.stop().await;
}

/// The outcomes of sign-ins.
#[derive(Debug, Default)]
struct Tried {
    looked_at: usize,
    refused: usize,
}

impl Tried {
    fn add(&mut self, other: &Self) {
        self.looked_at += other.looked_at;
        self.refused += other.refused;
    }

    const fn all(&self) -> usize {
        self.looked_at + self.refused
    }
}

/// Sends failing sign-ins until it is stopped.
struct Flood {
    stop: Arc<AtomicBool>,
    senders: Vec<std::thread::JoinHandle<Tried>>,
}

impl Flood {
    fn begin(address: SocketAddr, request: fn(u16, usize) -> String) -> Self {
        static NAMES: AtomicUsize = AtomicUsize::new(0);
        let (stop, next, began) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Instant::now());
        let senders = (0..SENDERS).map(|_| {
            let (stop, next) = (Arc::clone(&stop), Arc::clone(&next));
            std::thread::spawn(move || {
                let mut tried = Tried::default();
                while !stop.load(Ordering::Relaxed) {
                    let due = began + Duration::from_secs(1) * next.fetch_add(1, Ordering::Relaxed) / FLOOD;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    match send(address, NAMES.fetch_add(1, Ordering::Relaxed), request) {
                        Some(200) => tried.looked_at += 1,
                        Some(_) | None => tried.refused += 1,
                    }
                }
                tried
            })
        });
        Self { stop: Arc::clone(&stop), senders: senders.collect() }
    }

    fn end(self) -> Tried {
        self.stop.store(true, Ordering::Relaxed);
        self.senders.into_iter().fold(Tried::default(), |mut sum, sender| {
            sum.add(&sender.join().expect("it sends"));
            sum
        })
    }
}

/// Sends the `n`th request from a separate address and returns the status.
fn send(server: SocketAddr, n: usize, request: fn(u16, usize) -> String) -> Option<u16> {
    let last = u8::try_from(n % usize::from(ADDRESSES)).ok()? + 2;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    socket.connect(&server.into()).ok()?;
    let mut stream = std::net::TcpStream::from(socket);
    stream.write_all(request(server.port(), n).as_bytes()).ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}

fn form(path: &str, port: u16, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost:{port}\r\norigin: http://localhost:{port}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn wrong_sign_in(port: u16, n: usize) -> String {
    form("/sign-in", port, &format!("email=nobody{n}%40example.org&password=not+the+password+{n}"))
}

/// Returns a token request with a new, unknown client ID each time.
fn token_of_a_stranger(port: u16, n: usize) -> String {
    let fields = format!("grant_type=client_credentials&client_id={}&client_secret=wrong{n}", uuid::Uuid::now_v7());
    form("/api/token", port, &fields)
}

/// Each mute is saved before it is acknowledged, as was each refusal before there were limits.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn muting_in_a_flood_of_token_requests() {
    let mut figures = Figures::new("Strangers who ask for tokens");
    let mut program = Program::start().await;
    let (booked, _, provider) = program.prepare(1).await;
    program.send_everyone_there();
    let mut page = Page::open(&program.clinic, &provider, booked[0].id).await;
    page.command(Command::Start).await.expect("started");
    let (mut calm, mut flooded, mut ratios) = (Sample::default(), Sample::default(), Vec::new());
    for _ in 0..PAIRS {
        let without = mute(&mut page).await;
        let flood = Flood::begin(program.address, token_of_a_stranger);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let with = mute(&mut page).await;
        assert_eq!(flood.end().looked_at, 0, "no token is issued to a stranger");
        let median = |milliseconds: &[f64]| {
            let mut sample = Sample::default();
            sample.extend(milliseconds.to_vec());
            sample.at(0.5)
        };
        ratios.push(median(&with) / median(&without));
        calm.extend(without);
        flooded.extend(with);
    }
    ratios.sort_by(f64::total_cmp);
    let how = format!("{PAIRS} times {MUTES}, alternating, {FLOOD} requests a second, program in a separate process");
    for (name, sample) in [("without", &calm), ("with", &flooded)] {
        for (label, share) in [("p50", 0.5), ("p95", 0.95)] {
            figures.add(&format!("a mute, {name}, {label}"), number(sample.at(share)), "ms", sample.len(), &how);
        }
    }
    figures.add("median with to without, median of the pairs", number(ratios[PAIRS / 2]), "", PAIRS, "goal: 1.5");
    figures.table();
    program.stop().await;
}

/// Returns how long some mutes and unmutes took until they were acknowledged, in milliseconds.
async fn mute(page: &mut Page) -> Vec<f64> {
    let mut taken = Vec::new();
    for n in 0..MUTES {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let command = Command::SetMedia { microphone: n % 2 == 1, camera: true };
        page.command(command).await.expect("done");
        taken.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    taken
}
