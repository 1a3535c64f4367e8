import assert from "node:assert/strict";
import { test } from "node:test";

import { grade } from "../words/quality.ts";
import { QualityMeter, type Expectation, type Qualities } from "./quality.ts";

type Entry = Record<string, unknown>;

const BOTH = { sound: true, picture: true };
const CALL: Expectation = { you: BOTH, other: BOTH, certain: true, tracks: new Set() };

function inbound(kind: string, packetsReceived: number, packetsLost = 0, more: Entry = {}): Entry {
  return { type: "inbound-rtp", kind, mid: kind, packetsReceived, packetsLost, ...more };
}

/** Statistics of sent media of a kind: packets sent, and the server's receiver report. */
function outbound(kind: string, packetsSent: number, timestamp: number, fractionLost = 0): Entry[] {
  return [
    { type: "outbound-rtp", kind, packetsSent },
    { type: "remote-inbound-rtp", kind, timestamp, fractionLost },
  ];
}

/** Statistics of the turn-th measurement without problems. */
function well(turn: number): Entry[] {
  return [inbound("audio", 100 * turn), inbound("video", 200 * turn), ...outbound("audio", 100 * turn, turn), ...outbound("video", 200 * turn, turn)];
}

function after(turns: number, of: (turn: number) => Entry[], expected = CALL): Qualities {
  const meter = new QualityMeter();
  let last = meter.read(of(0), expected);
  for (let turn = 1; turn <= turns; turn++) last = meter.read(of(turn), expected);
  return last;
}

const GOOD = { sound: "good", picture: "good" };

test("a call in which all arrives is good, both ways", () => {
  assert.deepEqual(after(4, well), { you: GOOD, other: GOOD });
});

test("two weak reports make a weak connection, of the kind that they are about", () => {
  const meter = new QualityMeter();
  const read = (turn: number, lost: number) =>
    meter.read([...well(turn).filter(({ type, kind }) => type !== "remote-inbound-rtp" || kind !== "audio"), ...outbound("audio", 100 * turn, turn, lost).slice(1)], CALL).you;
  assert.deepEqual(read(0, 0), GOOD);
  assert.deepEqual(read(1, 0.2), GOOD);
  assert.deepEqual(read(2, 0.2), { sound: "weak", picture: "good" });
  assert.deepEqual(read(3, 0), GOOD);
});

test("what one of several loses is not drowned in what another receives", () => {
  const meter = new QualityMeter();
  const stream = (mid: string, packetsReceived: number, packetsLost: number) => inbound("audio", packetsReceived, packetsLost, { mid });
  meter.read([stream("2", 100, 0), stream("4", 5_000, 0)], CALL);
  meter.read([stream("2", 180, 20), stream("4", 5_100, 0)], CALL);
  assert.equal(meter.downLoss, 0.2);
});

test("a stream of which nothing arrives is lost, whatever its counter of losses says", () => {
  const still = (kind: string) => (turn: number) => well(turn).map((entry) => (entry["type"] === "inbound-rtp" && entry["kind"] === kind ? inbound(kind, 500) : entry));
  assert.deepEqual(after(2, still("video")).other, { sound: "good", picture: "lost" });
  assert.deepEqual(after(2, still("audio")).other, { sound: "lost", picture: "good" });
  const never = after(2, (turn) => well(turn).filter(({ type }) => type !== "inbound-rtp"));
  assert.deepEqual(never.other, { sound: "lost", picture: "lost" });
});

test("media that is not sent is not missed", () => {
  const still = (): Entry[] => [inbound("audio", 500), inbound("video", 500)];
  const muted: Expectation = { ...CALL, you: { sound: false, picture: false }, other: { sound: false, picture: false } };
  assert.deepEqual(after(5, still, muted), { you: { sound: null, picture: null }, other: { sound: null, picture: null } });
  const uncertain = after(5, () => [inbound("video", 0)], { ...CALL, certain: false });
  assert.deepEqual(uncertain.other, { sound: "unknown", picture: "unknown" });
});

test("a stream on which the server does not report any more is lost", () => {
  const vanishes = (turn: number): Entry[] => [...well(turn).filter(({ type, kind }) => type === "inbound-rtp" || kind === "audio"), ...outbound("video", 200 * turn, 1)];
  assert.deepEqual(after(2, vanishes).you, GOOD, "a report may be late");
  assert.deepEqual(after(4, vanishes).you, { sound: "good", picture: "lost" });
});

test("sound that does not leave is lost", () => {
  const held = (turn: number): Entry[] => [...well(turn).filter(({ type, kind }) => type === "inbound-rtp" || kind === "video"), ...outbound("audio", 70, turn)];
  assert.deepEqual(after(4, held).you, { sound: "lost", picture: "good" });
});

test("few packets that are mostly missing are a loss", () => {
  const meter = new QualityMeter();
  meter.read([inbound("video", 10, 0)], CALL);
  meter.read([inbound("video", 11, 9)], CALL);
  assert.equal(meter.downLoss, 0.9);
  meter.read([inbound("video", 15, 10)], CALL);
  assert.equal(meter.downLoss, 0);
});

test("only the other person's streams are theirs", () => {
  const of = (turn: number): Entry[] => [inbound("audio", 7, 0, { trackIdentifier: "hers" }), inbound("audio", 100 * turn, 0, { mid: "4", trackIdentifier: "another" })];
  assert.equal(after(2, of, { ...CALL, tracks: new Set(["hers"]) }).other.sound, "lost");
  assert.equal(after(2, of, { ...CALL, tracks: new Set(["another"]) }).other.sound, "good");
});

test("the connection quality names the worse medium", () => {
  assert.deepEqual(grade({ sound: "good", picture: "good" }, "other"), { quality: "good", words: "Good" });
  assert.deepEqual(grade({ sound: "good", picture: "weak" }, "other"), { quality: "weak", words: "Weak: picture reduced" });
  assert.deepEqual(grade({ sound: "weak", picture: "weak" }, "other"), { quality: "weak", words: "Weak: sound may break up" });
  assert.deepEqual(grade({ sound: "lost", picture: "good" }, "other"), { quality: "lost", words: "No sound arriving" });
  assert.deepEqual(grade({ sound: "lost", picture: "lost" }, "other"), { quality: "lost", words: "No sound or picture arriving" });
  assert.deepEqual(grade({ sound: "good", picture: "lost" }, "you"), { quality: "lost", words: "Your picture doesn't get through" });
  assert.equal(grade({ sound: null, picture: null }, "other").quality, "good");
});
