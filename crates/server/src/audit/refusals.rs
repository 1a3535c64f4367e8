//! Rate-limited audit entries for refused requests, so that refused requests cannot fill the disk.
//!
//! For each kind of refusal (action, actor, subject, detail), [`FREE`] entries a minute are written individually.
//! Further ones are counted, and one entry with their order of magnitude is written when the minute is over.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_store::{AuditEntry, Store, StoreError};
use bedside_visit::{AuditAction, Timestamp, UserId};

/// Number of entries of one kind that are written individually in a [`WINDOW`].
const FREE: u32 = 20;
const WINDOW: Duration = Duration::from_secs(60);

type Kind = (AuditAction, Option<UserId>, Option<UserId>, Option<&'static str>);

#[derive(Debug)]
struct Window {
    began: Timestamp,
    seen: u32,
    last: AuditEntry,
}

/// Counts refusals by kind.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<HashMap<Kind, Window>>);

impl Refusals {
    /// Writes a refusal to the audit log, or only counts it.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn append(&self, store: &dyn Store, entry: AuditEntry) -> Result<(), StoreError> {
        write(store, self.count(entry)).await
    }

    /// Writes the summary entries of windows that are over.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn sweep(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        write(store, self.close(|window| is_over(window, now))).await
    }

    /// Writes the summary entries of all windows, at shutdown.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn finish(&self, store: &dyn Store) -> Result<(), StoreError> {
        write(store, self.close(|_| true)).await
    }

    /// Counts a refusal and returns the entries to write now.
    fn count(&self, entry: AuditEntry) -> Vec<AuditEntry> {
        let kind = (entry.action, entry.actor.map(|actor| actor.user), entry.subject, entry.detail);
        let mut windows = self.lock();
        let over = windows.get(&kind).filter(|window| is_over(window, entry.at)).and_then(Window::closing_line);
        if windows.get(&kind).is_some_and(|window| is_over(window, entry.at)) {
            windows.remove(&kind);
        }
        let window = windows.entry(kind).or_insert(Window { began: entry.at, seen: 0, last: entry });
        window.seen = window.seen.saturating_add(1);
        window.last = entry;
        let written = (window.seen <= FREE).then_some(entry);
        over.into_iter().chain(written).collect()
    }

    fn close(&self, which: impl Fn(&Window) -> bool) -> Vec<AuditEntry> {
        let mut lines = Vec::new();
        self.lock().retain(|_, window| {
            let closes = which(window);
            if closes {
                lines.extend(window.closing_line());
            }
            !closes
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_over(window: &Window, now: Timestamp) -> bool {
    now.since(window.began) >= WINDOW
}

impl Window {
    /// Returns the summary entry with the order of magnitude of refusals not written individually, as a code like every
    /// detail.
    fn closing_line(&self) -> Option<AuditEntry> {
        let more = self.seen.checked_sub(FREE).filter(|more| *more > 0)?;
        let code = match more {
            0..10 => "repeated_up_to_10",
            10..100 => "repeated_up_to_100",
            100..1_000 => "repeated_up_to_1000",
            1_000..10_000 => "repeated_up_to_10000",
            _ => "repeated_over_10000",
        };
        Some(self.last.with_detail(code))
    }
}

async fn write(store: &dyn Store, lines: Vec<AuditEntry>) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut transaction = store.begin().await?;
    for line in &lines {
        transaction.append_audit(line).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn refused(at: Timestamp) -> AuditEntry {
        AuditEntry::new(at, AuditAction::TokenRefused)
    }

    #[test]
    fn refusals_beyond_the_first_of_a_minute_are_counted_in_one_line() {
        let refusals = Refusals::default();
        let written = (0..500).flat_map(|_| refusals.count(refused(T))).count();
        assert_eq!(written, 20, "as they come");
        assert_eq!(refusals.count(AuditEntry::new(T, AuditAction::SignInFailed)).len(), 1, "another kind");
        let later = T + WINDOW;
        let lines = refusals.count(refused(later));
        let details: Vec<_> = lines.iter().map(|line| line.detail).collect();
        assert_eq!(details, [Some("repeated_up_to_1000"), None], "what was not written, then the new one");
        assert_eq!(lines[0].at, T, "the time of the last that it stands for");
    }

    #[test]
    fn nothing_is_kept_of_a_minute_that_is_over() {
        let refusals = Refusals::default();
        (0..21).for_each(|_| drop(refusals.count(refused(T))));
        assert!(refusals.close(|window| is_over(window, T + WINDOW / 2)).is_empty());
        assert_eq!(refusals.close(|window| is_over(window, T + WINDOW)).len(), 1);
        assert!(refusals.lock().is_empty());
    }
}
