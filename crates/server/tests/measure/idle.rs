//! Load of patients who only wait.
//!
//! `WAITING` (10000) patients with as many appointments enter their waiting rooms, each over a separate WebSocket, and
//! stay for `HOLD` (60) seconds while their pages send pings. The program's address is printed, so that a media load
//! can be added meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bedside::SecretToken;
use bedside_store::{NewUser, SessionRecord};
use bedside_visit::{
    Appointment, AppointmentId, AppointmentStatus, CallBackend, Clock as _, Participants, Person, Role, Timestamp,
    UserId,
};
use futures_util::stream::{self, SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{interval_at, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};
use uuid::Uuid;

use crate::figures::{Figures, Sample, number, setting};
use crate::program::Program;

/// Interval of a page's pings.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Number of patients who enter at the same time.
const COMING: usize = 64;
/// Number of loopback addresses: one address has ports for 28,000 connections.
const ADDRESSES: usize = 50;
const BOOKED_AT_ONCE: usize = 500;

/// A patient whose browser has used their link.
struct Patient {
    appointment: AppointmentId,
    user: UserId,
    cookie: SecretToken,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn patients_who_wait() {
    let (waiting, hold) = (setting("WAITING", 10_000), Duration::from_secs(setting("HOLD", 60) as u64));
    raise_limit_of_files();
    let mut figures = Figures::new("Patients who wait");
    let program = Program::start_for(waiting).await;
    let begun = Instant::now();
    let patients = book(&program, waiting).await;
    println!("{waiting} booked in {:.0} s", begun.elapsed().as_secs_f64());
    // Allocates what all pages share before the measurement.
    let first = Waiting::come(&program, &patients[..COMING.min(waiting)]).await;
    settle().await;
    first.leave().await;
    settle().await;
    let how = "release program in a separate process; each patient with an appointment, a session and a socket";
    let before = program.resident();
    figures.add("before", number(before), "MiB", 1, how);

    let (begun, cpu) = (Instant::now(), program.cpu());
    let all = Waiting::come(&program, &patients).await;
    let coming = begun.elapsed().as_secs_f64();
    figures.add(
        "to enter, all patients",
        number(coming),
        "s",
        waiting,
        &format!("{COMING} at a time, each until it waits"),
    );
    figures.add(
        "to enter, per patient",
        number((program.cpu() - cpu) * 1e3 / waiting as f64),
        "ms of a core",
        waiting,
        how,
    );
    settle().await;
    let with = program.resident();
    figures.add("with all patients", number(with), "MiB", 1, how);
    figures.add("per waiting patient", number((with - before) * 1024.0 / waiting as f64), "KiB", waiting, "growth");
    assert_eq!(program.gauge("bedside_patients_waiting").await as usize, waiting, "all wait");
    println!("held for {} s at {}", hold.as_secs(), program.origin);

    all.answers.lock().clear();
    let commits = program.gauge("bedside_store_commit_seconds_count").await;
    let (begun, cpu) = (Instant::now(), program.cpu());
    tokio::time::sleep(hold).await;
    let seconds = begun.elapsed().as_secs_f64();
    figures.add("CPU while they wait", number((program.cpu() - cpu) / seconds), "cores", 1, "pings every 5 s");
    let commits = program.gauge("bedside_store_commit_seconds_count").await - commits;
    figures.add("commits while they wait", number(commits / seconds), "a second", 1, "");
    figures.spread("response to a ping", &all.answers.lock(), "ms", "of all pages");

    // A user signs out: other users must not notice.
    all.answers.lock().clear();
    let (begun, cpu) = (Instant::now(), program.cpu());
    sign_out(&program, &patients[0]).await;
    crate::support::soon("the page that was signed out", all.until_open(waiting - 1)).await;
    figures.add("sign-out until the page is closed", number(begun.elapsed().as_secs_f64() * 1e3), "ms", 1, "");
    tokio::time::sleep(PING_EVERY).await;
    let cpu = program.cpu() - cpu;
    figures.add("CPU meanwhile", number(cpu), "s of a core", 1, "and for five seconds of waiting");
    figures.spread("response to a ping meanwhile", &all.answers.lock(), "ms", "of all pages");
    figures.add("with all patients, at the end", number(program.resident()), "MiB", 1, how);
    assert_eq!(all.open.load(Ordering::Relaxed), waiting - 1, "all other pages are connected");
    all.leave().await;
    settle().await;
    figures.add("after all have left", number(program.resident()), "MiB", 1, "their seats are held for ten minutes");
    figures.table();
    program.stop().await;
}

/// Each socket is also an open file of this process.
fn raise_limit_of_files() {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }).expect("raised");
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

/// Inserts the patients into the database, as if each had booked and had used their link.
async fn book(program: &Program, many: usize) -> Vec<Patient> {
    let store = &program.clinic.store;
    let now = program.clinic.clock.now();
    let provider = &program.clinic.provider.person;
    let mut patients = Vec::new();
    while patients.len() < many {
        let mut transaction = store.begin().await.expect("begin");
        for _ in 0..BOOKED_AT_ONCE.min(many - patients.len()) {
            let number = patients.len();
            let patient = Patient {
                appointment: AppointmentId::new(Uuid::now_v7()),
                user: UserId::new(Uuid::now_v7()),
                cookie: SecretToken::draw().expect("random"),
            };
            let person = Person {
                id: patient.user,
                name: format!("Patient {number}").as_str().into(),
                specialty: None,
                birth_date: None,
                avatar_url: None,
            };
            let user = NewUser { person: person.clone(), email: None, password_hash: None };
            transaction.insert_user(&user, now).await.expect("added");
            let appointment = appointment(&patient, Participants::two(person, provider.clone()), now);
            transaction.insert_appointment(&appointment, now).await.expect("booked");
            let session = SessionRecord {
                vouched_by: None,
                link_made_by: None,
                token_hash: patient.cookie.hash().into(),
                user: patient.user,
                clinic_role: None,
                invite: Some((patient.appointment, Role::Patient)),
                device: None,
                created_at: now,
                last_seen_at: now,
                expires_at: now + Duration::from_secs(4 * 3600),
            };
            transaction.insert_session(&session).await.expect("a session");
            patients.push(patient);
        }
        transaction.commit().await.expect("commit");
    }
    patients
}

fn appointment(patient: &Patient, participants: Participants, start: Timestamp) -> Appointment {
    Appointment {
        id: patient.appointment,
        start,
        duration: Duration::from_secs(30 * 60),
        kind: "Follow-up".to_owned(),
        reason: Some("Blood pressure check".into()),
        status: AppointmentStatus::Booked,
        participants,
        backend: CallBackend::Embedded,
        booked_by: None,
    }
}

async fn sign_out(program: &Program, patient: &Patient) {
    let mut transaction = program.clinic.store.begin().await.expect("begin");
    assert!(transaction.delete_session(&patient.cookie.hash().into()).await.expect("deleted").is_some());
    transaction.commit().await.expect("commit");
}

/// The pages of some patients, each with a task that sends pings.
struct Waiting {
    open: Arc<AtomicUsize>,
    leaving: Arc<AtomicBool>,
    answers: Answers,
    pages: Vec<mpsc::Sender<()>>,
}

#[derive(Clone, Default)]
struct Answers(Arc<std::sync::Mutex<Sample>>);

impl Answers {
    fn lock(&self) -> std::sync::MutexGuard<'_, Sample> {
        self.0.lock().expect("no panic")
    }
}

impl Waiting {
    async fn come(program: &Program, patients: &[Patient]) -> Self {
        let mut all = Self {
            open: Arc::default(),
            leaving: Arc::default(),
            answers: Answers::default(),
            pages: Vec::with_capacity(patients.len()),
        };
        let (address, origin) = (program.address, program.origin.clone());
        let coming = stream::iter(patients.iter().enumerate())
            .map(|(number, patient)| enter(address, &origin, number, patient))
            .buffer_unordered(COMING);
        let mut coming = std::pin::pin!(coming);
        while let Some(socket) = coming.next().await {
            let (leave, left) = mpsc::channel(1);
            all.open.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(wait(socket, left, Arc::clone(&all.open), Arc::clone(&all.leaving), all.answers.clone()));
            all.pages.push(leave);
        }
        all
    }

    async fn until_open(&self, many: usize) {
        while self.open.load(Ordering::Relaxed) != many {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn leave(self) {
        self.leaving.store(true, Ordering::Relaxed);
        drop(self.pages);
        let gone = async {
            while self.open.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(60), gone).await.expect("all leave");
    }
}

type Socket = WebSocketStream<TcpStream>;

/// Opens the page and enters the waiting room.
async fn enter(address: SocketAddr, origin: &str, number: usize, patient: &Patient) -> Socket {
    let from = u8::try_from(2 + number % ADDRESSES).expect("few");
    let socket = TcpSocket::new_v4().expect("a socket: raise the limit of open files");
    socket.bind(([127, 0, 0, from], 0).into()).expect("a port");
    let stream = socket.connect(address).await.expect("the program listens");
    let path = format!("/api/appointments/{}/signalling?page=p{number}", patient.appointment);
    let mut request = format!("ws://localhost:{}{path}", address.port()).into_client_request().expect("a request");
    let cookie = format!("bedside-visit={}", patient.cookie.reveal());
    request.headers_mut().insert("cookie", cookie.parse().expect("a header"));
    request.headers_mut().insert("origin", origin.parse().expect("a header"));
    let (mut socket, _) = client_async(request, stream).await.expect("let in");
    let enter = r#"{"type":"command","id":"c-1","command":{"name":"enter"}}"#;
    socket.send(Message::text(enter)).await.expect("sent");
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.contains("\"acknowledged\"") => return socket,
            Some(Ok(Message::Text(text))) => assert!(!text.contains("\"refused\""), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Sends pings until either side closes the page.
async fn wait(
    socket: Socket,
    mut leave: mpsc::Receiver<()>,
    open: Arc<AtomicUsize>,
    leaving: Arc<AtomicBool>,
    answers: Answers,
) {
    let (mut to, mut from): (SplitSink<Socket, Message>, SplitStream<Socket>) = socket.split();
    // Pings of different pages are not synchronized.
    let delay = PING_EVERY.mul_f64(fastrand::f64());
    let mut ping = interval_at(tokio::time::Instant::now() + delay, PING_EVERY);
    let mut asked = None;
    loop {
        tokio::select! {
            _ = ping.tick() => {
                asked = Some(Instant::now());
                if to.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
                    break;
                }
            }
            message = from.next() => match message {
                Some(Ok(Message::Text(text))) if text.contains("\"pong\"") => {
                    if let Some(asked) = asked.take() {
                        answers.lock().add(asked.elapsed().as_secs_f64() * 1e3);
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            _ = leave.recv() => {
                let _ = to.send(Message::Close(None)).await;
                break;
            }
        }
    }
    open.fetch_sub(1, Ordering::Relaxed);
    if leaving.load(Ordering::Relaxed) {
        let _ = timeout(Duration::from_secs(5), async { while from.next().await.is_some_and(|m| m.is_ok()) {} }).await;
    }
}
