// Records in every page what a user would notice and the media statistics. Appended to `probe`.
if (window === window.top && window.bedsideRecord === undefined) {
  const record = { loaded: Date.now(), samples: [], stages: [], texts: [], clicks: [] };
  window.bedsideRecord = record;
  const EVERY = 50;
  const KEPT = 4000;
  const keep = (list, entry) => {
    list.push(entry);
    if (list.length > KEPT) list.shift();
  };
  let last = { frames: 0, sound: 0, energy: 0, concealed: 0, heard: 0, frozen: 0, bytes: 0 };
  const measure = async () => {
    const stats = await probe.call()?.stats?.();
    if (stats !== undefined) {
      const sum = { frames: 0, sound: 0, energy: 0, concealed: 0, heard: 0, frozen: 0, bytes: 0 };
      for (const report of stats.values()) {
        if (report.type !== "inbound-rtp") continue;
        if (report.kind === "video") {
          sum.frames += report.framesDecoded ?? 0;
          sum.frozen += report.totalFreezesDuration ?? 0;
          sum.bytes += report.bytesReceived ?? 0;
        } else {
          sum.sound += report.jitterBufferEmittedCount ?? 0;
          sum.energy += report.totalAudioEnergy ?? 0;
          sum.concealed += report.concealedSamples ?? 0;
          sum.heard += report.totalSamplesReceived ?? 0;
        }
      }
      last = sum;
    }
    keep(record.samples, { at: Date.now(), ...last });
  };
  const read = () => {
    const text = document.body === null ? "" : probe.text().replace(/\d+/g, "#");
    if (record.texts.at(-1)?.[1] !== text) keep(record.texts, [Date.now(), text]);
  };
  const turn = async (count) => {
    const began = performance.now();
    try {
      await measure();
      if (count % 5 === 0) read();
    } catch {
      // A connection that is being replaced has no statistics.
    }
    setTimeout(() => void turn(count + 1), Math.max(0, EVERY - (performance.now() - began)));
  };
  const stage = () => {
    const { stage, transport } = probe.call()?.dataset ?? {};
    const before = record.stages.at(-1);
    if (stage === undefined || (before?.[1] === stage && before[2] === transport)) return;
    keep(record.stages, [Date.now(), stage, transport ?? ""]);
  };
  addEventListener("click", (event) => event.isTrusted && record.clicks.push(Date.now()), { capture: true });
  addEventListener("DOMContentLoaded", () => {
    const call = probe.call();
    if (call === null) return;
    new MutationObserver(stage).observe(call, { attributeFilter: ["data-stage", "data-transport"] });
    stage();
    void turn(0);
  });
}
