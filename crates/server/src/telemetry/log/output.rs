//! Writes the log on a separate thread. Callers put lines into a bounded queue, so that a stalled reader of standard
//! error costs log lines but never blocks a call or a request.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::limit::{Limits, Verdict};

/// Maximum number of queued lines.
const QUEUE: usize = 8_192;
/// Maximum size of queued lines, bytes.
const QUEUE_BYTES: u64 = 8 * 1024 * 1024;
/// How long shutdown waits for the queue to be written.
const GOODBYE: Duration = Duration::from_millis(500);

/// Log lines lost since startup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogStatistics {
    /// Lines dropped because the reader was too slow or the write failed.
    pub(crate) dropped: u64,
    /// Lines suppressed by the rate limit.
    pub(crate) suppressed: u64,
}

static DROPPED: AtomicU64 = AtomicU64::new(0);
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// Returns the statistics of this process's log.
pub(crate) fn statistics() -> LogStatistics {
    LogStatistics { dropped: DROPPED.load(Ordering::Relaxed), suppressed: SUPPRESSED.load(Ordering::Relaxed) }
}

/// Handle to the log thread. Dropping it writes the queued lines, with a time limit.
#[derive(Debug)]
pub struct LogOutput {
    shared: Arc<Shared>,
    done: Receiver<()>,
}

/// Creates a line for each log event.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Mutex<Option<SyncSender<Vec<u8>>>>,
    /// Bytes in the queue.
    waiting: AtomicU64,
    dropped: AtomicU64,
    /// Dropped lines that have not been reported in the log yet.
    unreported: AtomicU64,
    limits: Mutex<Limits>,
}

impl LogOutput {
    /// Starts the log thread, which writes to `into`.
    ///
    /// # Errors
    /// If the operating system cannot create a thread.
    pub fn start(into: impl Write + Send + 'static) -> io::Result<(Self, LogWriter)> {
        let (sender, lines) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        let shared = Arc::new(Shared {
            lines: Mutex::new(Some(sender)),
            waiting: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            unreported: AtomicU64::new(0),
            limits: Mutex::default(),
        });
        let (for_thread, writer) = (Arc::clone(&shared), LogWriter(Arc::clone(&shared)));
        std::thread::Builder::new().name("bedside-log".to_owned()).spawn(move || {
            for_thread.write_all(&lines, into);
            let _ = finished.send(());
        })?;
        Ok((Self { shared, done }, writer))
    }
}

impl Drop for LogOutput {
    fn drop(&mut self) {
        drop(self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        match self.done.recv_timeout(GOODBYE) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

impl Shared {
    fn write_all(&self, lines: &Receiver<Vec<u8>>, mut into: impl Write) {
        while let Ok(line) = lines.recv() {
            self.waiting.fetch_sub(line.len() as u64, Ordering::Relaxed);
            if into.write_all(&line).and_then(|()| into.flush()).is_err() {
                // The failure itself cannot be logged now. It is counted, and reported after the next successful write.
                self.count_dropped();
                continue;
            }
            let dropped = self.unreported.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                let note =
                    format!("WARN bedside::log: {dropped} log lines dropped: they could not be written in time\n");
                if into.write_all(note.as_bytes()).is_err() {
                    self.unreported.fetch_add(dropped, Ordering::Relaxed);
                }
            }
        }
    }

    fn count_dropped(&self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    /// Queues a line without waiting for the log thread.
    fn put(&self, line: Vec<u8>) {
        if line.is_empty() {
            return;
        }
        let bytes = line.len() as u64;
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUE_BYTES {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return self.count_dropped();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = lines.as_ref().map(|lines| lines.try_send(line));
        match sent {
            Some(Ok(())) => {}
            None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => {
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                self.count_dropped();
            }
        }
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { shared: Some(Arc::clone(&self.0)), text: Vec::new() }
    }

    /// Verbose levels are enabled only by the operator, so they are not rate limited.
    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line {
        if *meta.level() > Level::INFO {
            return self.make_writer();
        }
        let verdict =
            self.0.limits.lock().unwrap_or_else(PoisonError::into_inner).ask(meta.callsite(), monotonic_now());
        let place = || format!("{}:{}", meta.target(), meta.line().unwrap_or_default());
        match verdict {
            Verdict::Write { suppressed: 0 } => self.make_writer(),
            Verdict::Write { suppressed } => {
                let mut note = String::new();
                let _ =
                    writeln!(note, "WARN bedside::log: {suppressed} lines from {} suppressed (rate limit)", place());
                Line { shared: Some(Arc::clone(&self.0)), text: note.into_bytes() }
            }
            Verdict::Announce => {
                SUPPRESSED.fetch_add(1, Ordering::Relaxed);
                let note =
                    format!("WARN bedside::log: too many lines from {}, suppressing some (rate limit)\n", place());
                self.0.put(note.into_bytes());
                Line { shared: None, text: Vec::new() }
            }
            Verdict::Suppress => {
                SUPPRESSED.fetch_add(1, Ordering::Relaxed);
                Line { shared: None, text: Vec::new() }
            }
        }
    }
}

/// Text of one log event. It is queued when dropped.
#[derive(Debug)]
pub struct Line {
    /// `None` if the line is suppressed.
    shared: Option<Arc<Shared>>,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.shared.is_some() {
            self.text.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.put(std::mem::take(&mut self.text));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "used only for the log's rate limit")]
fn monotonic_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use super::*;

    /// A reader that can be stopped, like a pipe whose other end is not read.
    #[derive(Debug, Clone, Default)]
    struct Reader(Arc<Read>);

    #[derive(Debug, Default)]
    struct Read {
        /// Whether the reader is stopped, and what it has read.
        state: Mutex<(bool, Vec<u8>)>,
        changed: Condvar,
    }

    impl Reader {
        fn set_stopped(&self, stopped: bool) {
            self.0.state.lock().expect("not poisoned").0 = stopped;
            self.0.changed.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.state.lock().expect("not poisoned").1.clone()).expect("text")
        }
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let held = self.0.changed.wait_while(self.0.state.lock().expect("not poisoned"), |(stopped, _)| *stopped);
            held.expect("not poisoned").1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_nobody_reads_costs_lines_and_nobody_waits() {
        let reader = Reader::default();
        reader.set_stopped(true);
        let (output, writer) = LogOutput::start(reader.clone()).expect("a thread");
        for number in 0..QUEUE + 100 {
            writeln!(writer.make_writer(), "line {number}").expect("it takes everything");
        }
        let lost = output.shared.dropped.load(Ordering::Relaxed);
        assert!((99..=100).contains(&lost), "{lost}: one line may be with the thread");
        reader.set_stopped(false);
        drop(output);
        let text = reader.text();
        assert!(text.starts_with("line 0\n") && text.contains(&format!("{lost} log lines dropped")), "{text:.200}");
    }

    #[test]
    fn long_lines_do_not_fill_the_memory() {
        let reader = Reader::default();
        reader.set_stopped(true);
        let (output, writer) = LogOutput::start(reader.clone()).expect("a thread");
        let line = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            writeln!(writer.make_writer(), "{line}").expect("it takes everything");
        }
        assert!(output.shared.waiting.load(Ordering::Relaxed) <= QUEUE_BYTES);
        reader.set_stopped(false);
    }

    #[test]
    fn an_output_that_cannot_be_written_ends_nothing() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (output, writer) = LogOutput::start(Full).expect("a thread");
        writeln!(writer.make_writer(), "lost").expect("it takes everything");
        drop(output);
        assert_eq!(writer.0.dropped.load(Ordering::Relaxed), 1);
    }
}
