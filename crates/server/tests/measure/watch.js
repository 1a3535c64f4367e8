// Records when the effects of a click are visible in this page, in milliseconds of the wall clock.
async (probe) => {
  const edge = () => {
    const before = Date.now();
    while (Date.now() === before);
    return Date.now() - performance.now();
  };
  // The monotonic clocks of two pages start at different times and may drift; they share the wall clock.
  const offset = edge();
  const now = () => offset + performance.now();
  const seen = { click: null, stage: null, drawn: null, frame: null, decoded: null, sound: null, voice: null };
  const call = probe.call();
  const video = [...probe.all()].find((element) => element instanceof HTMLVideoElement && !element.muted) ?? null;
  const inbound = async () => {
    const sum = { decoded: 0, sound: 0, voice: 0 };
    for (const report of (await call.stats())?.values?.() ?? []) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "video") sum.decoded += report.framesDecoded ?? 0;
      if (report.kind === "audio") {
        sum.sound += report.jitterBufferEmittedCount ?? 0;
        sum.voice += report.totalAudioEnergy ?? 0;
      }
    }
    return sum;
  };
  const first = await inbound();
  const early = call.dataset.stage === "connected";

  addEventListener("click", () => (seen.click ??= now()), { capture: true, once: true });

  let pictures = video?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
  const look = setInterval(() => {
    const shown = video ?? [...probe.all()].find((element) => element instanceof HTMLVideoElement && !element.muted);
    const total = shown?.getVideoPlaybackQuality().totalVideoFrames ?? 0;
    if (total < pictures) pictures = total;
    if (total <= pictures || shown.hidden) return;
    seen.frame = now();
    clearInterval(look);
  }, 4);

  const listen = async () => {
    const end = performance.now() + 20_000;
    while (performance.now() < end && (seen.decoded === null || seen.sound === null || seen.voice === null)) {
      const sum = await inbound();
      if (sum.decoded > first.decoded) seen.decoded ??= now();
      if (sum.sound > first.sound) seen.sound ??= now();
      if (sum.voice > first.voice + 1e-6) seen.voice ??= now();
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  const observer = new MutationObserver(() => {
    if (call.dataset.stage !== "connected" || seen.stage !== null) return;
    seen.stage = now();
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => (seen.drawn = now())));
    void listen();
  });
  observer.observe(call, { attributeFilter: ["data-stage"] });
  window.bedsideSeen = seen;
  return !early;
}
