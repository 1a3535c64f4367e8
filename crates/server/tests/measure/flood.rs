//! What a flood of wrong sign-ins does to somebody who is signed in.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::api::{Tally, load};
use crate::figures::{Figures, Sample, number};
use crate::program::Program;

/// Wrong sign-ins a second, from so many addresses: what one network may try is not what bounds them.
const FLOOD: u32 = 200;
const ADDRESSES: u8 = 60;
const SENDERS: usize = 48;
/// Requests a second of the person who is signed in.
const RATE: u32 = 200;
const SECONDS: u32 = 4;
const PAIRS: usize = 5;

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
    // What may be tried at once is used up before anything is measured.
    let flood = Flood::begin(address);
    read().await.expect("warmed up");
    let mut tried = flood.end();

    let (mut calm, mut flooded) = (Sample::default(), Sample::default());
    let (mut ratios, mut errors) = (Vec::new(), 0);
    for _ in 0..PAIRS {
        let without = read().await.expect("measured");
        let flood = Flood::begin(address);
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
    assert!(tried.refused > tried.looked_at && tried.looked_at > 0, "a flood that is bounded: {tried:?}");
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
        "each pair one after the other",
    );
    figures.add("errors of the reader", errors, "", calm.len() + flooded.len(), "not 200, or no answer in 5 s");
    figures.add(
        "sign-ins that were looked at",
        tried.looked_at,
        "",
        tried.all(),
        "the others were put off: 429 or 503",
    );
    figures.table();
    program.stop().await;
}

/// What became of the sign-ins.
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

/// Sends wrong sign-ins until it is ended.
struct Flood {
    stop: Arc<AtomicBool>,
    senders: Vec<std::thread::JoinHandle<Tried>>,
}

impl Flood {
    fn begin(address: SocketAddr) -> Self {
        static NAMES: AtomicUsize = AtomicUsize::new(0);
        let (stop, next, began) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)), Instant::now());
        let senders = (0..SENDERS).map(|_| {
            let (stop, next) = (Arc::clone(&stop), Arc::clone(&next));
            std::thread::spawn(move || {
                let mut tried = Tried::default();
                while !stop.load(Ordering::Relaxed) {
                    let due = began + Duration::from_secs(1) * next.fetch_add(1, Ordering::Relaxed) / FLOOD;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    match try_to_sign_in(address, NAMES.fetch_add(1, Ordering::Relaxed)) {
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

/// The `n`th try, on a connection from an address of its own; gives the status.
fn try_to_sign_in(server: SocketAddr, n: usize) -> Option<u16> {
    let last = u8::try_from(n % usize::from(ADDRESSES)).ok()? + 2;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    socket.connect(&server.into()).ok()?;
    let mut stream = std::net::TcpStream::from(socket);
    let body = format!("email=nobody{n}%40example.org&password=not+the+password+{n}");
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nhost: localhost:{0}\r\norigin: http://localhost:{0}\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {1}\r\n\r\n{body}",
        server.port(),
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head[9..]).ok()?.parse().ok()
}
