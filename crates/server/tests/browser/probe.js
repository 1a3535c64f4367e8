const probe = (() => {
  const all = function* (root = document) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      if (element.shadowRoot) yield* all(element.shadowRoot);
    }
  };
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && element.checkVisibility({ visibilityProperty: true });
  };
  const words = (text) => text.replace(/\s+/g, " ").trim();
  const call = () => document.querySelector("patient-video-call, provider-video-call");
  const text = () => {
    const parts = [document.body.innerText];
    for (const element of all()) {
      if (element.shadowRoot) {
        for (const child of element.shadowRoot.children) {
          if (!["STYLE", "SLOT"].includes(child.tagName)) parts.push(child.innerText ?? "");
        }
      }
    }
    return words(parts.join(" "));
  };
  const name = (element) => words(element.getAttribute("aria-label") ?? element.innerText ?? "");
  const find = (wanted) => {
    for (const element of all()) {
      if (!element.matches("button, a[href], summary, [role=button]")) continue;
      if (element.disabled || element.getAttribute("aria-disabled") === "true") continue;
      if (name(element) !== wanted && !name(element).startsWith(wanted + ":")) continue;
      if (visible(element)) return element;
    }
    return null;
  };
  const centre = (element) => {
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const box = element.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  const target = (wanted) => {
    const element = find(wanted);
    return element === null ? null : centre(element);
  };
  const received = async () => {
    const sum = { framesDecoded: 0, audioEnergy: 0, audioSamples: 0, playing: false };
    const stats = await call()?.stats?.();
    for (const report of stats?.values?.() ?? []) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "video") sum.framesDecoded += report.framesDecoded ?? 0;
      if (report.kind === "audio") {
        sum.audioEnergy += report.totalAudioEnergy ?? 0;
        sum.audioSamples += report.totalSamplesReceived ?? 0;
      }
    }
    for (const element of all()) {
      if (element instanceof HTMLMediaElement && !element.muted && !element.paused && element.currentTime > 0) sum.playing = true;
    }
    return sum;
  };
  // All participants played here, by name: what was decoded of their media, and what is audible.
  const people = async () => {
    const reports = [...((await call()?.stats?.())?.values?.() ?? [])].filter(({ type }) => type === "inbound-rtp");
    const found = {};
    for (const element of all()) {
      if (!(element instanceof HTMLVideoElement) || element.muted || element.srcObject === null) continue;
      const ids = element.srcObject.getTracks().map(({ id }) => id);
      const own = reports.filter(({ trackIdentifier }) => ids.includes(trackIdentifier));
      const sum = (field) => own.reduce((total, report) => total + (report[field] ?? 0), 0);
      found[element.getAttribute("aria-label")] = {
        frames: sum("framesDecoded"),
        energy: sum("totalAudioEnergy"),
        playing: !element.paused && !element.hidden,
        seen: element.videoWidth > 2 && visible(element),
      };
    }
    return found;
  };
  const sending = async () => [...((await call()?.stats?.())?.values?.() ?? [])].filter(({ type }) => type === "outbound-rtp").reduce((total, { bytesSent }) => total + bytesSent, 0);
  // The number of streams on which media arrives.
  const flowing = async () => {
    const bytes = async () =>
      [...((await call()?.stats?.())?.values?.() ?? [])].filter(({ type }) => type === "inbound-rtp").map(({ id, bytesReceived }) => [id, bytesReceived]);
    const before = new Map(await bytes());
    await new Promise((done) => setTimeout(done, 500));
    return (await bytes()).filter(([id, now]) => now > (before.get(id) ?? 0)).length;
  };
  const ready = async () => {
    for (const report of (await call()?.stats?.())?.values?.() ?? []) {
      if (report.type === "transport" && report.dtlsState === "connected") return true;
    }
    return false;
  };
  const protocol = async () => {
    const stats = await call()?.stats?.();
    for (const report of stats?.values?.() ?? []) {
      if (report.type === "transport" && report.selectedCandidatePairId) {
        return stats.get(stats.get(report.selectedCandidatePairId).remoteCandidateId).protocol;
      }
    }
    return "";
  };
  const surface = () => call()?.shadowRoot?.querySelector("iframe.surface--shown") != null;
  // The page and everything that it and its frames loaded from this origin, with all requested addresses.
  const sources = async () => {
    const windows = [window, ...[...all()].filter((element) => element.matches("iframe")).map((frame) => frame.contentWindow)];
    const addresses = windows.flatMap((each) => [each.location.href, ...each.performance.getEntriesByType("resource").map(({ name }) => name)]);
    const own = [...new Set(addresses)].filter((address) => new URL(address).origin === location.origin && !address.includes("/api/"));
    return [...addresses, ...(await Promise.all(own.map(async (address) => (await fetch(address)).text())))];
  };
  const focused = () => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element === null ? "" : name(element);
  };
  // Waits until fonts are loaded and no transition runs.
  const settled = async () => {
    await document.fonts.ready;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const roots = [document, ...[...all()].map((element) => element.shadowRoot).filter(Boolean)];
    const running = roots.flatMap((root) => root.getAnimations()).filter((a) => a.effect?.getComputedTiming().iterations !== Infinity);
    await Promise.allSettled(running.map((a) => a.finished));
    return true;
  };
  const cutOff = () => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...all()].filter((element) => visible(element) && element.getBoundingClientRect().right > width + 1);
    return wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
  };
  const run = async (rules) => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const runOnly = rules === undefined ? tags : { type: "rule", values: rules };
    const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
    return violations
      .map((v) => `${v.id}: ${v.help}\n` + v.nodes.map((n) => `    ${n.html}\n    ${n.failureSummary}`).join("\n"))
      .join("\n");
  };
  return { centre, protocol, sources, surface, settled, cutOff, ready, focused, text, find, target, received, people, sending, flowing, axe: run, stage: () => call()?.dataset.stage ?? null, call, all };
})();
