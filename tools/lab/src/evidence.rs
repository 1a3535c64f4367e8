//! Saves details of failed trials to `target/lab/`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::lab::Lab;
use crate::oracle::Witness;
use crate::tally::Outcome;

/// Returns the folder for results and details.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/lab"))
}

/// Writes the state of both pages and the server. Anything unavailable is omitted.
pub(crate) async fn keep(lab: &Lab, visit: usize, name: &str, outcome: &Outcome, begin: f64, since: f64) {
    let mut text = format!("{name}: {:?}\n", outcome.values);
    for flaw in &outcome.flaws {
        let _ = writeln!(text, "  flaw: {flaw}");
    }
    if let Some(call) = lab.calls.get(visit)
        && let Ok(witnesses) = Witness::both(&call.visit, call.devices, begin - 1000.0).await
    {
        for witness in witnesses {
            tell(&mut text, &witness, begin, since).await;
        }
    }
    let _ = writeln!(text, "\n== the program's log\n{}", lab.program.log_tail(40));
    let file = folder().join(format!("{name}.txt"));
    let _ = fs::create_dir_all(folder());
    let _ = fs::write(file, text);
}

async fn tell(text: &mut String, witness: &Witness<'_>, begin: f64, since: f64) {
    let (page, recording) = (witness.page, &witness.recording);
    let seconds = |at: f64| (at - since) / 1000.0;
    let _ =
        writeln!(text, "\n== {} (seconds since measuring began; the fault began at {:.2})", page.role, seconds(begin));
    for (at, stage, transport) in &recording.stages {
        let _ = writeln!(text, "{:7.2}  stage {stage} / {transport}", seconds(*at));
    }
    for (at, words) in &recording.texts {
        let _ = writeln!(text, "{:7.2}  says {words}", seconds(*at));
    }
    let mut last = None;
    for sample in &recording.samples {
        let second = seconds(sample.at).floor();
        if last != Some(second) {
            last = Some(second);
            let (frames, sound) = (sample.frames, sample.sound);
            let _ = writeln!(
                text,
                "{:7.2}  frames {frames} audio {sound} energy {:.4} bytes {}",
                seconds(sample.at),
                sample.energy,
                sample.bytes
            );
        }
    }
    let stats = "JSON.stringify([...((await probe.call().stats())?.values() ?? [])].filter((report) => \
        ['transport', 'candidate-pair', 'remote-candidate', 'local-candidate', 'inbound-rtp', 'outbound-rtp'].includes(report.type)), null, 1)";
    let _ = writeln!(text, "{}", page.eval::<String>(stats).await.unwrap_or_default());
}
