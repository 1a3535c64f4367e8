//! Media quality of a call of two, and what is sent while they wait.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::chromium::Chromium;
use crate::figures::{Figures, number};
use crate::people::Clinic;
use crate::window::Window;

const REPORT: &str = include_str!("quality.js");
const EVERY: Duration = Duration::from_secs(5);

/// A snapshot of counters and states.
#[derive(Debug, Clone, Deserialize)]
struct Report {
    at: f64,
    text: BTreeMap<String, String>,
    number: BTreeMap<String, f64>,
}

impl Report {
    async fn of(window: &Window) -> Self {
        window.eval(&format!("await ({REPORT})(probe)")).await
    }

    fn number(&self, name: &str) -> f64 {
        self.number.get(name).copied().unwrap_or(f64::NAN)
    }

    fn text(&self, name: &str) -> &str {
        self.text.get(name).map_or("?", String::as_str)
    }

    fn since(&self, before: &Self, name: &str) -> f64 {
        self.number(name) - before.number.get(name).copied().unwrap_or(0.0)
    }

    /// Returns the bit rate in kbit/s, without headers.
    fn kilobits(&self, before: &Self, name: &str) -> f64 {
        self.since(before, name) * 8.0 / (self.at - before.at)
    }

    fn size(&self, prefix: &str) -> String {
        let side = |name: &str| self.number.get(&format!("{prefix}.{name}")).map_or("?".to_owned(), f64::to_string);
        format!("{}x{}", side("frameWidth"), side("frameHeight"))
    }

    /// Returns the mean milliseconds that media played since `before` spent in the jitter buffer.
    fn waited(&self, before: &Self, kind: &str) -> f64 {
        let emitted = self.since(before, &format!("in.{kind}.jitterBufferEmittedCount"));
        1000.0 * self.since(before, &format!("in.{kind}.jitterBufferDelay")) / emitted
    }

    fn sent(&self, before: &Self) -> String {
        format!(
            "sends {} at {} fps, video {} kbit/s (target {}), sound {} kbit/s; available {} kbit/s; limited by {} (none {} s, cpu {} s, bandwidth {} s), \
             {} size changes, {} key frames, encoding {} ms a frame; far side: lost {} packets, round trip {} ms",
            self.size("out.video"),
            number(self.number("out.video.framesPerSecond")),
            number(self.kilobits(before, "out.video.bytesSent")),
            number(self.number("out.video.targetBitrate") / 1000.0),
            number(self.kilobits(before, "out.audio.bytesSent")),
            number(self.number("pair.availableOutgoingBitrate") / 1000.0),
            self.text("out.video.qualityLimitationReason"),
            number(self.number("limited.none")),
            number(self.number("limited.cpu")),
            number(self.number("limited.bandwidth")),
            self.number("out.video.qualityLimitationResolutionChanges"),
            self.number("out.video.keyFramesEncoded"),
            number(
                1000.0 * self.since(before, "out.video.totalEncodeTime")
                    / self.since(before, "out.video.framesEncoded")
            ),
            self.number("far.video.packetsLost"),
            number(1000.0 * self.number("pair.currentRoundTripTime")),
        )
    }

    fn received(&self, before: &Self) -> String {
        format!(
            "receives {} at {} fps ({} kbit/s), {} freezes ({} s), {} dropped, {} lost, {} PLI, {} NACK, picture waits {} ms; sound: {} % concealed, waits {} ms, {} lost",
            self.size("in.video"),
            number(self.since(before, "in.video.framesDecoded") * 1000.0 / (self.at - before.at)),
            number(self.kilobits(before, "in.video.bytesReceived")),
            self.number("in.video.freezeCount"),
            number(self.number("in.video.totalFreezesDuration")),
            self.number("in.video.framesDropped"),
            self.number("in.video.packetsLost"),
            self.number("in.video.pliCount"),
            self.number("in.video.nackCount"),
            number(self.waited(before, "video")),
            number(self.concealed(before)),
            number(self.waited(before, "audio")),
            self.number("in.audio.packetsLost"),
        )
    }

    /// Returns the percentage of audio played since `before` that was concealed, excluding silence.
    fn concealed(&self, before: &Self) -> f64 {
        let made_up =
            self.since(before, "in.audio.concealedSamples") - self.since(before, "in.audio.silentConcealedSamples");
        100.0 * made_up / self.since(before, "in.audio.totalSamplesReceived")
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo xtask measure"]
async fn the_quality_of_a_call() {
    let how = "getStats; fake camera at 15 fps, everything on this machine";
    let mut figures = Figures::new("Quality of a call of two");
    let clinic = Clinic::alone_with(Chromium::launch_filming(15, &[])).await;
    let (patient, provider) = clinic.both_waiting().await;
    let windows = [("patient", &patient), ("provider", &provider)];

    let mut last = Vec::new();
    for (_, window) in windows {
        last.push(Report::of(window).await);
    }
    tokio::time::sleep(EVERY).await;
    for ((who, window), before) in windows.iter().zip(&mut last) {
        let now = Report::of(window).await;
        println!("waiting, {who}: {}", now.sent(before));
        println!(
            "waiting, {who}: codecs {:?}",
            now.text.keys().filter(|key| key.starts_with("codec.")).collect::<Vec<_>>()
        );
        figures.add(
            &format!("{who} sends while waiting"),
            number(now.kilobits(before, "out.video.bytesSent") + now.kilobits(before, "out.audio.bytesSent")),
            "kbit/s",
            1,
            &format!("{}, over 5 s; nothing of it is forwarded; {how}", now.size("out.video")),
        );
        *before = now;
    }

    provider.press(&clinic.start()).await;
    for (_, window) in windows {
        window.stage("connected").await;
    }
    let mut first = Vec::new();
    for (who, window) in windows {
        window.sees_and_hears_the_other().await;
        let now = Report::of(window).await;
        println!("start, {who}: available {} kbit/s", number(now.number("pair.availableOutgoingBitrate") / 1000.0));
        first.push(now);
    }
    last.clone_from(&first);
    for turn in 1..=6 {
        tokio::time::sleep(EVERY).await;
        for ((who, window), before) in windows.iter().zip(&mut last) {
            let now = Report::of(window).await;
            println!("{:2} s, {who}: {}", turn * 5, now.sent(before));
            println!("{:2} s, {who}: {}", turn * 5, now.received(before));
            let weak: bool = window.eval("probe.text().includes('Weak')").await;
            println!("{:2} s, {who}: the page says that a connection is weak: {weak}", turn * 5);
            *before = now;
        }
    }
    for (((who, _), first), last) in windows.iter().zip(&first).zip(&last) {
        assert!(last.since(first, "in.video.framesDecoded") > 0.0, "{who} receives the other's video");
        let mut add = |what: &str, value: String, unit: &str| {
            figures.add(&format!("{who}: {what}"), value, unit, 1, &format!("after 30 s; {how}"))
        };
        add("available for sending", number(last.number("pair.availableOutgoingBitrate") / 1000.0), "kbit/s");
        add("frame size sent", last.size("out.video"), "");
        add("video sent", number(last.kilobits(first, "out.video.bytesSent")), "kbit/s");
        add("limited by", last.text("out.video.qualityLimitationReason").to_owned(), "");
        add("limited by bandwidth for", number(last.number("limited.bandwidth")), "s");
        add("frame size received", last.size("in.video"), "");
        add(
            "frames decoded",
            number(last.since(first, "in.video.framesDecoded") * 1000.0 / (last.at - first.at)),
            "fps",
        );
        add("freezes", number(last.number("in.video.freezeCount")), "");
        add("sound concealed", number(last.concealed(first)), "%");
        add("audio jitter buffer", number(last.waited(first, "audio")), "ms");
        add("video jitter buffer", number(last.waited(first, "video")), "ms");
    }
    figures.table();
    clinic.close().await;
}
