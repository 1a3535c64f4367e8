// Runs before a page's own scripts and records the times of events in milliseconds since the start of the navigation.
(() => {
  if (window !== top || window.bedsideJournal) return;
  const journal = { marks: {}, busy: 0, blocked: 0, socketSent: 0, socketReceived: 0 };
  window.bedsideJournal = journal;
  const mark = (name) => (journal.marks[name] ??= performance.now());
  const call = () => document.querySelector("patient-video-call");

  addEventListener("click", () => sessionStorage.setItem("bedsideClick", performance.timeOrigin + performance.now()), true);
  addEventListener("DOMContentLoaded", () => mark("document read"));
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      journal.busy += duration;
      journal.blocked += Math.max(0, duration - 50);
    }
  }).observe({ type: "longtask", buffered: true });

  void customElements.whenDefined("patient-video-call").then(() => mark("element defined"));
  new MutationObserver(() => {
    const stage = call()?.dataset.stage;
    if (stage !== undefined) mark(`stage ${stage}`);
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-stage"] });

  const look = setInterval(() => {
    const root = call()?.shadowRoot;
    if (root === null || root === undefined) return;
    mark("element upgraded");
    const usable = (button) => !button.disabled && button.getAttribute("aria-disabled") !== "true" && button.checkVisibility();
    if (journal.marks["a button is there"] === undefined && [...root.querySelectorAll("button")].some(usable)) {
      mark("a button is there");
      // Records the time after the browser could draw it and no task delays the response to a press.
      requestAnimationFrame(() => setTimeout(() => mark("a button answers"), 0));
    }
    const runs = (video) => video.muted && !video.paused && video.currentTime > 0 && video.videoWidth > 2;
    if ([...root.querySelectorAll("video")].some(runs)) mark("preview runs");
    if (call().dataset.stage === "waiting" && journal.marks["preview runs"] !== undefined) {
      mark("in the waiting room");
      clearInterval(look);
    }
  }, 8);

  const Plain = WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...words) {
      super(...words);
      mark("socket begun");
      this.addEventListener("open", () => mark("socket open"));
      this.addEventListener("message", ({ data }) => {
        journal.socketReceived += data.length;
        const { type } = JSON.parse(data);
        mark(`received ${type}`);
      });
    }
    send(text) {
      journal.socketSent += text.length;
      const { type, command } = JSON.parse(text);
      mark(`sent ${command?.name ?? type}`);
      super.send(text);
    }
  };

  const { mediaDevices } = navigator;
  if (mediaDevices !== undefined) {
    const ask = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (wanted) => {
      mark("camera asked");
      const stream = await ask(wanted);
      mark("camera given");
      return stream;
    };
  }

  journal.read = () => {
    const { marks, busy, blocked, socketSent, socketReceived } = journal;
    const entry = ({ name, startTime, responseEnd, transferSize, encodedBodySize, decodedBodySize, redirectCount }) => ({
      name: name.replace(location.origin, ""),
      startTime,
      responseEnd,
      transferSize,
      encodedBodySize,
      decodedBodySize,
      redirects: redirectCount ?? 0,
    });
    const requests = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map(entry);
    const painted = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null;
    const click = Number(sessionStorage.getItem("bedsideClick")) || null;
    return { origin: performance.timeOrigin, click, painted, marks, busy, blocked, socketSent, socketReceived, requests };
  };
})();
