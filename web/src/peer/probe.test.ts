import assert from "node:assert/strict";
import { test } from "node:test";

import { bounded, ProbeTimer } from "./probe.ts";

const WISH = 1_500_000;

test("a picture that stays short of bits is probed for, again and again but not too often", () => {
  const timer = new ProbeTimer();
  const probes: number[] = [];
  for (let at = 0; at <= 10_000; at += 500) {
    if (timer.due(at, { picture: 300_000, sending: true }, WISH)) probes.push(at);
  }
  assert.deepEqual(probes, [1_500, 4_500, 7_500]);
});

test("nothing is probed for a picture that has enough, is off, or is short for a moment", () => {
  const timer = new ProbeTimer();
  assert.equal(timer.due(0, { picture: WISH, sending: true }, WISH), false);
  for (let at = 0; at < 20_000; at += 500) {
    assert.equal(timer.due(at, { picture: 300_000, sending: false }, WISH), false);
  }
  assert.equal(timer.due(20_000, { picture: 300_000, sending: true }, WISH), false);
  assert.equal(timer.due(21_000, { picture: WISH, sending: true }, WISH), false);
  assert.equal(timer.due(22_000, { picture: 300_000, sending: true }, WISH), false);
});

test("a bound goes into its section alone, after the address, once", () => {
  const answer = "v=0\r\nm=audio 9 X 63\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\nm=video 9 X 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=recvonly\r\n";
  const once = bounded(answer, "1", 2_000_000);
  assert.equal(once, answer.replace("96\r\nc=IN IP4 0.0.0.0\r\n", "96\r\nc=IN IP4 0.0.0.0\r\nb=TIAS:2000000\r\n"));
  assert.equal(bounded(once, "1", 2_001_000), once.replace("2000000", "2001000"));
});
