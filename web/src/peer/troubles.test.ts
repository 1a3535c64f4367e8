import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { settle } from "../testing/clock.ts";
import { answer, begin, clock, connect, lose, offers, pc, peer, roam, talk } from "../testing/connected.ts";
import { FakePeerConnection } from "../testing/peer.ts";

beforeEach(begin);

/** Workers as the browser would create them. */
class FakeWorker {
  static made: FakeWorker[] = [];
  /** What happens to its script. */
  static script: "runs" | "gone" | "silent" = "runs";
  onmessage: (() => void) | null = null;
  onerror: (() => void) | null = null;
  orders: unknown[] = [];
  terminated = false;

  constructor() {
    FakeWorker.made.push(this);
    queueMicrotask(() => (FakeWorker.script === "runs" ? this.onmessage?.() : FakeWorker.script === "gone" ? this.onerror?.() : undefined));
  }

  postMessage(order: unknown): void {
    this.orders.push(order);
  }

  terminate(): void {
    this.terminated = true;
  }
}

async function withWorkers(script: typeof FakeWorker.script, run: (made: FakeWorker[]) => Promise<void>): Promise<void> {
  FakeWorker.made = [];
  FakeWorker.script = script;
  Object.assign(globalThis, { RTCRtpScriptTransform: class {}, Worker: FakeWorker, REDUNDANCY_WORKER: "./worker.js" });
  try {
    await run(FakeWorker.made);
  } finally {
    for (const name of ["RTCRtpScriptTransform", "Worker", "REDUNDANCY_WORKER"]) Reflect.deleteProperty(globalThis, name);
  }
}

test("where much sound is lost, a connection that can send more of it takes over, once", async () => {
  await withWorkers("runs", async (workers) => {
    await connect();
    peer.pace(true);
    pc().fractionLost = 0.1;
    await talk(3_000);
    assert.deepEqual([FakePeerConnection.made.length, workers.length], [1, 0]);
    pc().fractionLost = 0.2;
    await talk(4_000);
    assert.deepEqual([FakePeerConnection.made.length, workers.length], [2, 1]);
    assert.equal(pc(0).closed, false, "until the other carries");
    await answer();
    pc(1).fractionLost = 0.2;
    pc(1).become("connected");
    assert.equal(pc(0).closed, true);
    await talk(1_000, true, 1);
    assert.deepEqual(workers[0]?.orders, [{ payloadType: 63 }]);
    pc(1).fractionLost = 0;
    await talk(16_000, true, 1);
    assert.deepEqual(workers[0]?.orders, [{ payloadType: 63 }, { payloadType: null }]);
    assert.equal(FakePeerConnection.made.length, 2);
    peer.close();
    assert.equal(workers[0]?.terminated, true);
  });
});

async function getsNoSender(script: typeof FakeWorker.script): Promise<void> {
  await withWorkers(script, async (workers) => {
    await connect();
    peer.pace(true);
    pc().fractionLost = 0.3;
    await talk(30_000);
    assert.deepEqual([FakePeerConnection.made.length, workers.length], [1, 1], "asked for once");
    assert.deepEqual([workers[0]?.terminated, pc().transceivers[0]?.sender.transform], [true, null]);
  });
}

test("a sound worker whose script is gone gets no sender", () => getsNoSender("gone"));

test("a sound worker that does not say that it runs gets no sender", () => getsNoSender("silent"));

/** A connection whose audio passes through a running worker. */
async function deepened(): Promise<FakePeerConnection> {
  peer.send({ kind: "audio", enabled: true, readyState: "live", muted: false } as MediaStreamTrack, null);
  await connect();
  peer.pace(true);
  pc().fractionLost = 0.3;
  await talk(6_000);
  await answer();
  pc(1).become("connected");
  assert.notEqual(pc(1).transceivers[0]?.sender.transform, null);
  return pc(1);
}

test("sound that a transform holds back is sent without it", async () => {
  await withWorkers("runs", async (workers) => {
    const made = await deepened();
    for (let turn = 0; turn < 10; turn++) {
      made.more = [{ type: "outbound-rtp", kind: "audio", packetsSent: 100 + 25 * turn }];
      await talk(500, true, 1);
    }
    assert.equal(FakePeerConnection.made.length, 2, "as long as packets leave");
    await talk(3_000, true, 1);
    assert.equal(FakePeerConnection.made.length, 3);
    assert.deepEqual([made.transceivers[0]?.sender.transform, workers[0]?.terminated], [null, true]);
    await answer();
    pc(2).fractionLost = 0.3;
    pc(2).become("connected");
    await talk(20_000, true, 2);
    assert.equal(FakePeerConnection.made.length, 3, "and not tried again");
    assert.equal(pc(2).transceivers[0]?.sender.transform, null);
  });
});

test("a sound worker that dies in mid-call is done without", async () => {
  await withWorkers("runs", async (workers) => {
    await deepened();
    workers[0]?.onerror?.();
    await settle();
    assert.equal(FakePeerConnection.made.length, 3);
    assert.equal(pc(2).transceivers[0]?.sender.transform, null);
  });
});

test("a muted page's sound through the worker is left alone", async () => {
  await withWorkers("runs", async () => {
    const made = await deepened();
    peer.send(null, null);
    made.more = [{ type: "outbound-rtp", kind: "audio", packetsSent: 100 }];
    await talk(6_000, true, 1);
    assert.equal(FakePeerConnection.made.length, 2);
  });
});

test("a browser that does not say what its encoders may send is not asked again and again", async () => {
  peer.send(null, { kind: "video", enabled: true } as MediaStreamTrack);
  await connect();
  peer.pace(true);
  pc().firefox = true;
  await talk(84_000);
  assert.deepEqual([pc().offers, pc().answers.length], [1, 1]);
});

test("a server that is not heard is noticed within two seconds where the browser counts bytes of the path alone", async () => {
  await connect();
  pc().firefox = true;
  await talk(3_000);
  assert.equal(peer.link, "up");
  await talk(1_900, false);
  assert.equal(peer.link, "lost");
  assert.equal(offers.length, 2);
});

const BOTH = [
  "v=0",
  "m=video 9 X 96",
  "a=mid:1",
  "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
  "a=candidate:2 1 tcp 1671430143 192.0.2.1 50000 typ host tcptype passive",
  "",
].join("\r\n");

async function answerBoth(): Promise<void> {
  peer.receive({ type: "answer", peer: offers.at(-1)?.peer ?? 0, sdp: BOTH, tracks: [] });
  await settle();
}

test("where DTLS does not complete over a path that was found, the next goes by TCP alone", async () => {
  roam();
  peer.open();
  await settle();
  await answerBoth();
  pc().findPath();
  await clock.pass(3_900);
  assert.equal(FakePeerConnection.made.length, 1, "a handshake may be slow");
  await clock.pass(100);
  await answerBoth();
  assert.deepEqual([FakePeerConnection.made.length, pc().roams], [2, false]);
  assert.doesNotMatch(pc().answers.at(-1) ?? "", / udp /);
  assert.match(pc().answers.at(-1) ?? "", / tcp /);
  pc().become("connected");
  await lose();
  assert.equal(pc().roams, true, "the network may be another");
});

test("where no path was found, UDP stays", async () => {
  peer.open();
  await settle();
  await answerBoth();
  pc().iceConnectionState = "checking";
  await clock.pass(7_900);
  assert.equal(FakePeerConnection.made.length, 1);
  await clock.pass(100);
  await answerBoth();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.match(pc().answers.at(-1) ?? "", / udp /);
});

/** Statistics of audio and of video towards the server. */
function reports(turn: number, video: { sent: number; lost: number; at: number }): Record<string, unknown>[] {
  return [
    { type: "remote-inbound-rtp", kind: "audio", fractionLost: 0, timestamp: turn },
    { type: "outbound-rtp", kind: "video", packetsSent: video.sent },
    { type: "remote-inbound-rtp", kind: "video", fractionLost: video.lost, timestamp: video.at },
  ];
}

async function measure(turns: number, of: (turn: number) => Record<string, unknown>[]): Promise<void> {
  for (let turn = 1; turn <= turns; turn++) {
    pc(0).more = of(turn);
    await talk(500);
  }
}

test("where sound passes and pictures vanish, whole or most of them, the next goes by TCP alone", async () => {
  for (const vanish of [
    (turn: number) => reports(turn, { sent: 50 * turn, lost: 0, at: 1 }),
    (turn: number) => reports(turn, { sent: 50 * turn, lost: 0.9, at: turn }),
  ]) {
    FakePeerConnection.made = [];
    peer.close();
    peer.networkChanged();
    await connect();
    peer.pace(true);
    await measure(20, vanish);
    assert.equal(FakePeerConnection.made.length, 2);
    await answerBoth();
    assert.doesNotMatch(pc().answers.at(-1) ?? "", / udp /);
  }
});

test("pictures that arrive here in parts, none of which can be shown, are asked for by TCP", async () => {
  await connect();
  peer.pace(true);
  await measure(20, (turn) => [
    { type: "inbound-rtp", kind: "audio", packetsReceived: 25 * turn, packetsLost: 0 },
    { type: "inbound-rtp", kind: "video", packetsReceived: 3 * turn, packetsLost: 20 * turn, framesDecoded: 100 },
  ]);
  assert.equal(FakePeerConnection.made.length, 2);
});

/**
 * Measurements from Chromium, once a second, of video whose packets above 1,172 bytes were dropped, and of 10 % random
 * loss.
 */
const ASKED = { vanishing: [27, 66, 80, 80, 110, 144, 180, 180, 192, 239, 284, 284], lossy: [4, 20, 23, 28, 33, 37, 37, 40, 46, 47, 53, 55] };

function arriving(turn: number, of: keyof typeof ASKED, more: Record<string, unknown>): Record<string, unknown>[] {
  const nackCount = ASKED[of][Math.floor(turn / 2)] ?? 0;
  const lost = of === "lossy" ? 3 * turn : 0;
  return [
    { type: "candidate-pair", availableOutgoingBitrate: 300_000 },
    { type: "inbound-rtp", kind: "audio", packetsReceived: 25 * turn, packetsLost: lost },
    { type: "inbound-rtp", kind: "video", packetsReceived: 12 * turn, packetsLost: 0, framesDecoded: 4 * turn, nackCount, ...more },
  ];
}

test("a picture made so small that most of it passes is asked for by TCP if nothing repeated ever comes", async () => {
  await connect();
  peer.pace(true);
  await measure(23, (turn) => arriving(turn, "vanishing", {}));
  assert.equal(FakePeerConnection.made.length, 2);
});

test("what is repeated and comes was not lost for its size", async () => {
  await connect();
  peer.pace(true);
  await measure(23, (turn) => arriving(turn, "vanishing", { retransmittedPacketsReceived: Math.floor(turn / 2) }));
  await measure(23, (turn) => arriving(turn, "lossy", { retransmittedPacketsReceived: 20 }));
  assert.equal(FakePeerConnection.made.length, 1);
});

test("loss that also affects audio, or video that is not sent, is not attributed to packet size", async () => {
  await connect();
  peer.pace(true);
  await measure(20, (turn) => [
    { type: "remote-inbound-rtp", kind: "audio", fractionLost: 0.4, timestamp: turn },
    ...reports(turn, { sent: 50 * turn, lost: 0.6, at: turn }).slice(1),
    { type: "inbound-rtp", kind: "audio", packetsReceived: 25 * turn, packetsLost: 0 },
    { type: "inbound-rtp", kind: "video", packetsReceived: 40, packetsLost: 0, framesDecoded: 10 },
  ]);
  await measure(20, (turn) => reports(turn, { sent: 7, lost: 0, at: 1 }));
  assert.equal(FakePeerConnection.made.length, 1);
});
