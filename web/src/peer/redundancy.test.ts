import assert from "node:assert/strict";
import { test } from "node:test";

import { LossWatch } from "./losses.ts";
import { Redundancy } from "./redundancy.ts";

const FIRST = 0xffff_f000;

function timestamp(number: number): number {
  return (FIRST + number * 960) >>> 0;
}

/** A packet as a browser sends it: its payload and the previous one. */
function packet(number: number): Uint8Array {
  const length = 300;
  const before = [0x80 | 111, 960 >> 6, ((960 & 0x3f) << 2) | (length >> 8), length & 0xff];
  return new Uint8Array([...before, 111, ...new Array<number>(length).fill(number - 1), ...new Array<number>(4).fill(number)]);
}

/** The packets contained in a payload: age and contents. */
function carried(payload: Uint8Array | null): [number, number][] {
  assert.ok(payload);
  const blocks: [number, number][] = [];
  let at = 0;
  for (; ((payload[at] ?? 0) & 0x80) !== 0; at += 4) {
    const [, high = 0, middle = 0, low = 0] = payload.subarray(at, at + 4);
    blocks.push([((high << 6) | (middle >> 2)) / 960, ((middle & 3) << 8) | low]);
  }
  at += 1;
  const contents = blocks.map(([age, length]): [number, number] => {
    at += length;
    return [age, payload[at - 1] ?? -1];
  });
  return [...contents, [0, payload[at] ?? -1]];
}

function small(number: number): Uint8Array {
  return new Uint8Array([0x80 | 111, 960 >> 6, (960 & 0x3f) << 2, 2, 111, number - 1, number - 1, number]);
}

test("a packet carries the four before it, over the end of the timestamps", () => {
  const redundancy = new Redundancy();
  assert.deepEqual(carried(redundancy.deepen(timestamp(1), small(1))), [[1, 0], [0, 1]]);
  assert.deepEqual(carried(redundancy.deepen(timestamp(2), small(2))), [[2, 0], [1, 1], [0, 2]]);
  for (let number = 3; number < 9; number += 1) redundancy.deepen(timestamp(number), small(number));
  assert.deepEqual(carried(redundancy.deepen(timestamp(9), small(9))), [[4, 5], [3, 6], [2, 7], [1, 8], [0, 9]]);
});

test("it stays small enough for every network", () => {
  const redundancy = new Redundancy();
  let last: Uint8Array | null = null;
  for (let number = 1; number < 9; number += 1) last = redundancy.deepen(timestamp(number), packet(number));
  assert.ok(last !== null && last.length <= 1_000, String(last?.length));
  // The oldest are dropped first.
  assert.deepEqual(carried(last).map(([age]) => age), [4, 3, 2, 1, 0].slice(-carried(last).length));
});

test("what is malformed is left alone", () => {
  const redundancy = new Redundancy();
  for (const bytes of [[], [0xff], [0xff, 0, 0], [0xef, 15, 0, 200, 111, 1], [111]]) {
    assert.equal(redundancy.deepen(0, new Uint8Array(bytes)), null, String(bytes));
  }
  assert.deepEqual(carried(redundancy.deepen(timestamp(1), new Uint8Array([111, 7]))), [[0, 7]]);
});

function report(fractionLost: number, roundTripTime: number, another = roundTripTime): Record<string, unknown>[] {
  return [
    { type: "inbound-rtp", kind: "audio", fractionLost: 1 },
    { type: "remote-inbound-rtp", kind: "audio", fractionLost, roundTripTime },
    { type: "remote-inbound-rtp", kind: "video", fractionLost: 0, roundTripTime: another },
    { type: "candidate-pair", currentRoundTripTime: 0 },
  ];
}

/** Processes the same measurement for some seconds. */
function lasting(watch: LossWatch, from: number, seconds: number, ...measured: [number, number, number?]): LossWatch {
  for (let now = from; now < from + 1_000 * seconds; now += 500) watch.read(now, report(...measured));
  return watch;
}

test("loss asks for more for a while; a queue does not", () => {
  const watch = new LossWatch(false);
  assert.equal(lasting(watch, 0, 10, 0.05, 0.1).some, false);
  assert.equal(lasting(watch, 10_000, 0.5, 0.3, 0.1).some, false, "a burst");
  assert.equal(lasting(watch, 10_500, 4, 0.2, 0.1).some, true);
  assert.equal(lasting(watch, 14_500, 0.5, 0.2, 0.8).some, false);
  assert.equal(lasting(watch, 15_000, 0.5, 0.2, 0.8, 0.1).some, true, "one long round trip is no queue");
  assert.equal(lasting(watch, 15_500, 9, 0, 0.1).some, true);
  assert.equal(lasting(watch, 24_500, 9, 0, 0.1).some, false);
});

test("who knew of the loss before begins with more", () => {
  const watch = new LossWatch(true);
  assert.equal(lasting(watch, 0, 9, 0, 0.1).some, true);
  assert.equal(lasting(watch, 9_000, 2, 0, 0.1).some, false);
});

test("much loss is worth another connection; a queue is not", () => {
  const watch = new LossWatch(false);
  assert.equal(lasting(watch, 0, 30, 0.12, 0.1).much, false);
  assert.equal(lasting(watch, 30_000, 5, 0.2, 0.1).much, true);
  assert.equal(lasting(watch, 35_000, 1, 0.2, 0.6).much, false);
});
