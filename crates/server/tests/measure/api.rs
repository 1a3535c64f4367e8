//! Latency under load of the base contract's request.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::figures::{Figures, Sample, number};
use crate::program::{Program, own_cpu};

const RATE: u32 = 1_000;
const CONNECTIONS: usize = 64;
const WARM_UP: u32 = 2;
const SECONDS: u32 = 10;
const LONGEST: Duration = Duration::from_secs(5);

/// Latencies of one connection's requests, from when they were due.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) milliseconds: Vec<f64>,
    late: Vec<f64>,
    pub(crate) errors: usize,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn reading_an_appointment_under_load() {
    let mut figures = Figures::new("GET /api/appointments/{id}");
    let program = Program::start().await;
    let (booked, patient, _) = program.prepare(1).await;
    let request = format!(
        "GET /api/appointments/{} HTTP/1.1\r\nhost: localhost:{}\r\naccept: application/json\r\ncookie: {}\r\n\r\n",
        booked[0].id,
        program.address.port(),
        patient.cookie_header()
    );
    let (address, request) = (program.address, Arc::new(request));

    let run = |seconds: u32| {
        let request = Arc::clone(&request);
        tokio::task::spawn_blocking(move || load(address, &request, RATE, seconds))
    };
    run(WARM_UP).await.expect("warmed up");
    let (server, generator, began) = (program.cpu(), own_cpu(), Instant::now());
    let tally = run(SECONDS).await.expect("measured");
    let seconds = began.elapsed().as_secs_f64();
    let (server, generator) = (program.cpu() - server, own_cpu() - generator);

    let (mut latency, mut late) = (Sample::default(), Sample::default());
    latency.extend(tally.milliseconds);
    late.extend(tally.late);
    assert!(latency.len() > 0, "it answers");
    let n = latency.len();
    let how = format!(
        "open loop, {RATE} a second for {SECONDS} s after {WARM_UP} s, at most {CONNECTIONS} connections, release program in a process of its own, from the time each was due"
    );
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        figures.add(&format!("latency, {name}"), number(latency.at(share)), "ms", n, &how);
    }
    figures.add("answered", number(f64::from(u32::try_from(n).expect("few")) / seconds), "requests/s", n, &how);
    figures.add("errors", tally.errors, "", n + tally.errors, "not 200, or no answer in 5 s");
    figures.add(
        "generator's own delay, p99",
        number(late.at(0.99)),
        "ms",
        late.len(),
        "sent after it was due; included in the latency",
    );
    let share = |cpu: f64| number(100.0 * cpu / seconds);
    figures.add("server's CPU", share(server), "% of a core", 1, "user and system time of its process");
    figures.add("generator's CPU", share(generator), "% of a core", 1, "the same machine, the same cores");
    figures.table();
    program.stop().await;
}

/// Sends `rate` requests a second: each when it is due, or as soon as a connection is free.
pub(crate) fn load(address: SocketAddr, request: &str, rate: u32, seconds: u32) -> Tally {
    let next = AtomicU32::new(0);
    let streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    let began = Instant::now() + Duration::from_millis(50);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = streams
            .into_iter()
            .map(|stream| scope.spawn(|| work(address, stream, request, &next, began, (rate, seconds * rate))))
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("it works")).collect()
    });
    tallies.into_iter().fold(Tally::default(), |mut sum, one| {
        sum.milliseconds.extend(one.milliseconds);
        sum.late.extend(one.late);
        sum.errors += one.errors;
        sum
    })
}

fn work(
    address: SocketAddr,
    mut stream: TcpStream,
    request: &str,
    next: &AtomicU32,
    began: Instant,
    (rate, all): (u32, u32),
) -> Tally {
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(8 * 1024);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= all {
            return tally;
        }
        let due = began + Duration::from_secs(1) * number / rate;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        tally.late.push(milliseconds(due));
        if exchange(&mut stream, request, &mut buffer) == Some(200) {
            tally.milliseconds.push(milliseconds(due));
        } else {
            tally.errors += 1;
            stream = connect(address);
        }
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, LONGEST).expect("the server listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.set_read_timeout(Some(LONGEST)).expect("a limit");
    stream
}

/// Sends a request, reads the whole response, and returns its status.
fn exchange(stream: &mut TcpStream, request: &str, buffer: &mut Vec<u8>) -> Option<u16> {
    stream.write_all(request.as_bytes()).ok()?;
    buffer.clear();
    let mut chunk = [0; 8 * 1024];
    loop {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        buffer.extend_from_slice(&chunk[..read]);
        let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).ok()?;
        let length: usize = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        })?;
        if buffer.len() >= head + 4 + length {
            return text.split(' ').nth(1)?.parse().ok();
        }
    }
}
