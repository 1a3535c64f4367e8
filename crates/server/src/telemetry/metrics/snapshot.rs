//! Metrics collected from the server's components on each scrape.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bedside_sfu::{LOSS_BOUNDS, ROUND_TRIP_BOUNDS, Statistics};
use bedside_store::{LATENCY_BOUNDS, Latencies, StoreStatistics};
use bedside_visit::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::time::timeout;

use super::process::Process;
use super::writer::{Label, Spread, Writer};
use crate::app::App;
use crate::app::tasks::{TaskReport, TaskState};
use crate::media::WorkerStatistics;
use crate::signalling::Census;
use crate::telemetry::health::{Report, Status};
use crate::telemetry::log::{self, LogStatistics};

/// The time limit of the database query.
const TIME_LIMIT: Duration = Duration::from_secs(2);
const MILLISECONDS: f64 = 1_000.0;
const MICROSECONDS: f64 = 1_000_000.0;
const THOUSANDTHS: f64 = 1_000.0;

/// Selects a counter of a worker.
type Count = fn(&Statistics) -> u64;

/// The state of the server at the time of a scrape.
#[derive(Debug)]
pub(super) struct Snapshot {
    workers: Vec<WorkerStatistics>,
    visits: Census,
    /// Open connections, and the number of refused ones.
    connections: (usize, u64),
    connections_evicted: u64,
    websockets: (usize, u64),
    store: StoreStatistics,
    process: Option<Process>,
    started_at: Timestamp,
    health: Arc<Report>,
    tasks: Vec<TaskReport>,
    log: LogStatistics,
    jobs_waiting: Option<u64>,
}

impl Snapshot {
    pub(super) async fn take(app: &App) -> Self {
        Self {
            workers: app.media.workers(),
            visits: app.hub.census(),
            connections: (app.connections.open(), app.connections.refused()),
            connections_evicted: app.connections.evicted(),
            websockets: (app.sockets.open(), app.sockets.refused()),
            store: app.store.statistics(),
            process: tokio::task::spawn_blocking(Process::read).await.ok(),
            started_at: app.started_at,
            health: app.health.report(app).await,
            tasks: app.tasks.reports(),
            log: log::statistics(),
            jobs_waiting: timeout(TIME_LIMIT, app.store.count_jobs()).await.ok().and_then(Result::ok),
        }
    }

    fn edge(&self, to: &mut Writer<'_>) -> fmt::Result {
        let kinds = [("connections", self.connections), ("websockets", self.websockets)];
        for (kind, (open, _)) in kinds {
            to.gauge(&format!("bedside_{kind}"), "Currently open", one(open as f64))?;
        }
        for (kind, (_, refused)) in kinds {
            to.counter(&format!("bedside_{kind}_refused"), "Refused because the limit was reached", one(refused))?;
        }
        let evicted = one(self.connections_evicted);
        to.counter("bedside_connections_evicted", "Idle connections closed in favor of new ones", evicted)
    }

    fn visits(&self, to: &mut Writer<'_>) -> fmt::Result {
        let Census { stages, waiting } = self.visits;
        let stages = stages.map(|(stage, count)| (Label::Of("stage", stage), count as f64));
        to.gauge("bedside_visits", "Appointments with an open page or a held seat, by the provider's stage", stages)?;
        to.gauge("bedside_patients_waiting", "Patients in the waiting room", one(waiting as f64))
    }

    fn store(&self, to: &mut Writer<'_>) -> fmt::Result {
        let spread = |of: Latencies| Spread::new(&LATENCY_BOUNDS, &of.counts, of.sum, MICROSECONDS);
        let StoreStatistics { waits, commits, busy, replaced } = self.store;
        to.histogram("bedside_store_wait_seconds", "Time until a write transaction started", one(spread(waits)))?;
        to.histogram("bedside_store_commit_seconds", "Time to commit a transaction to disk", one(spread(commits)))?;
        to.counter("bedside_store_busy", "Transactions abandoned because the database was busy", one(busy))?;
        to.counter("bedside_store_connections_replaced", "Connections closed after a failed rollback", one(replaced))
    }

    /// Writes the state of each health check and background task.
    fn health(&self, to: &mut Writer<'_>) -> fmt::Result {
        let value = |status| match status {
            Status::Ok => 1.0,
            Status::Degraded => 0.5,
            Status::Failing => 0.0,
        };
        let checks = self.health.checks.iter().map(|check| (Label::Of("check", check.name), value(check.status)));
        to.gauge("bedside_health", "Result of a health check: 1 ok, 0.5 degraded, 0 failing", checks)?;
        let up = |state| f64::from(u8::from(matches!(state, TaskState::Running | TaskState::Restarted)));
        let tasks = self.tasks.iter().map(|task| (Label::Of("task", task.name), up(task.state)));
        to.gauge("bedside_task_up", "Whether a background task is running", tasks)?;
        let restarts = self.tasks.iter().map(|task| (Label::Of("task", task.name), task.restarts));
        to.counter("bedside_task_restarts", "Restarts of a background task after a panic", restarts)?;
        let number = |check: &str, name: &str| self.health.check(check).and_then(|check| check.number(name));
        let gauges = [
            ("bedside_disk_free_bytes", "Free disk space for the database", number("disk", "free_bytes")),
            (
                "bedside_audit_head_age_seconds",
                "Time since the audit heads file was last complete",
                number("audit_heads", "age_seconds"),
            ),
            (
                "bedside_certificate_not_after_seconds",
                "Expiry of the certificate, in seconds since 1970",
                number("certificate", "not_after_seconds"),
            ),
        ];
        for (name, help, value) in gauges {
            to.gauge(name, help, value.map(|value| (Label::None, value)))?;
        }
        let waiting = self.jobs_waiting.map(|waiting| (Label::None, waiting as f64));
        to.gauge("bedside_jobs_waiting", "E-mails and CometChat revocations waiting to be sent", waiting)?;
        let LogStatistics { dropped, suppressed } = self.log;
        to.counter(
            "bedside_log_lines_dropped",
            "Log lines dropped because they could not be written in time",
            one(dropped),
        )?;
        to.counter("bedside_log_lines_suppressed", "Log lines suppressed by the rate limit", one(suppressed))
    }

    /// Returns one metric for each worker.
    fn each<T>(&self, of: impl Fn(&WorkerStatistics) -> T) -> impl Iterator<Item = (Label, T)> {
        self.workers.iter().enumerate().map(move |(number, worker)| (Label::Worker(number), of(worker)))
    }

    /// Returns one metric for each worker, with one more label.
    fn each_by<const N: usize>(
        &self,
        label: &'static str,
        of: [(&'static str, Count); N],
    ) -> impl Iterator<Item = (Label, u64)> {
        self.workers.iter().enumerate().flat_map(move |(number, worker)| {
            of.map(|(value, count)| (Label::Also(number, label, value), count(&worker.statistics)))
        })
    }

    fn workers(&self, to: &mut Writer<'_>) -> fmt::Result {
        let busy = self.each(|worker| worker.busy.as_secs_f64());
        to.seconds("bedside_media_worker_busy_seconds", "Time that the thread was busy", busy)?;
        let runs = self.each(|worker| f64::from(u8::from(worker.runs)));
        to.gauge("bedside_media_worker_up", "Whether the thread is running", runs)?;
        let rooms = self.each(|worker| worker.statistics.rooms as f64);
        to.gauge("bedside_media_rooms", "Current rooms", rooms)?;
        let peers = self.each(|worker| worker.statistics.peers as f64);
        to.gauge("bedside_media_peers", "Current media connections", peers)?;
        let reachable = self.each(|worker| f64::from(u8::from(worker.reachable)));
        to.gauge("bedside_media_reachable", "Whether pages on other machines receive an address", reachable)?;
        let proved = self.each(|worker| worker.tcp.proved as f64);
        to.gauge("bedside_media_tcp_connections", "Current authenticated ICE-TCP connections", proved)?;
        let strangers = self.each(|worker| worker.tcp.strangers as f64);
        to.gauge("bedside_media_tcp_strangers", "Current unauthenticated ICE-TCP connections", strangers)?;
        let crowded_out = self.each(|worker| worker.tcp.crowded_out);
        to.counter("bedside_media_tcp_crowded_out", "ICE-TCP connections closed because of the limit", crowded_out)
    }

    fn traffic(&self, to: &mut Writer<'_>) -> fmt::Result {
        let counters: [(&'static str, &'static str, Count); 13] = [
            ("received_packets", "Datagrams received", |s| s.received_packets),
            ("received_bytes", "Bytes received", |s| s.received_bytes),
            ("sent_packets", "Datagrams sent", |s| s.sent_packets),
            ("sent_bytes", "Bytes sent", |s| s.sent_bytes),
            ("forwarded_packets", "RTP packets forwarded, counted once per receiver", |s| s.forwarded_packets),
            ("forwarded_bytes", "Payload bytes of forwarded RTP packets", |s| s.forwarded_bytes),
            ("resent_packets", "RTP packets retransmitted", |s| s.resent_packets),
            ("keyframe_requests_sent", "Keyframe requests sent to pages (PLI)", |s| s.keyframe_requests),
            ("keyframe_requests_received", "Keyframe requests received from pages (PLI, FIR)", |s| {
                s.keyframe_requests_received
            }),
            ("nacks_sent", "Packets requested from pages again (NACK)", |s| s.nacks_sent),
            ("nacks_received", "Packets requested by pages again (NACK)", |s| s.nacks_received),
            ("moves", "Moves of media to a page address not yet verified", |s| s.moves),
            ("panics", "Connections ended by an internal error", |s| s.panics),
        ];
        for (name, help, count) in counters {
            to.counter(&format!("bedside_media_{name}"), help, self.each(|worker| count(&worker.statistics)))?;
        }
        let dropped = self.each_by(
            "cause",
            [
                ("unknown_source", |s| s.dropped_unknown_source),
                ("malformed", |s| s.dropped_malformed),
                ("refused", |s| s.dropped_refused),
                ("queue_full", |s| s.dropped_full),
            ],
        );
        to.counter("bedside_media_dropped_packets", "Datagrams dropped, incoming or outgoing", dropped)?;
        let withheld =
            self.each_by("cause", [("undecodable", |s| s.withheld_undecodable), ("narrow", |s| s.withheld_narrow)]);
        to.counter("bedside_media_withheld_packets", "Video packets withheld from a receiver", withheld)?;
        let layers = self.each_by(
            "layer",
            [("0", |s| s.forwarded_layers[0]), ("1", |s| s.forwarded_layers[1]), ("2", |s| s.forwarded_layers[2])],
        );
        to.counter("bedside_media_forwarded_layer_packets", "Video packets forwarded, by simulcast layer", layers)
    }

    fn quality(&self, to: &mut Writer<'_>) -> fmt::Result {
        let round_trips = self.each(|worker| {
            let Statistics { round_trips, round_trips_sum, .. } = &worker.statistics;
            Spread::new(&ROUND_TRIP_BOUNDS, round_trips, *round_trips_sum, MILLISECONDS)
        });
        to.histogram(
            "bedside_media_round_trip_seconds",
            "Time from a packet to the report of its arrival",
            round_trips,
        )?;
        let losses = self.each(|worker| {
            let Statistics { losses, losses_sum, .. } = &worker.statistics;
            Spread::new(&LOSS_BOUNDS, losses, *losses_sum, THOUSANDTHS)
        });
        to.histogram("bedside_media_loss_ratio", "Packet loss to a receiver, at each report", losses)
    }

    fn process(&self, to: &mut Writer<'_>) -> fmt::Result {
        let started = self.started_at.as_millis() as f64 / MILLISECONDS;
        to.gauge("process_start_time_seconds", "Start time of the program, in seconds since 1970", one(started))?;
        let Some(process) = self.process else { return Ok(()) };
        to.seconds("process_cpu_seconds", "User and system CPU time", one(process.cpu.as_secs_f64()))?;
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory", process.resident),
            ("process_open_fds", "Open file descriptors", process.open_files),
            ("process_max_fds", "Maximum number of open file descriptors", process.most_files),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                to.gauge(name, help, one(value as f64))?;
            }
        }
        Ok(())
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut Writer::new(encoder);
        self.visits(to)?;
        self.edge(to)?;
        self.store(to)?;
        self.workers(to)?;
        self.traffic(to)?;
        self.quality(to)?;
        self.health(to)?;
        self.process(to)
    }
}

fn one<T>(value: T) -> [(Label, T); 1] {
    [(Label::None, value)]
}
