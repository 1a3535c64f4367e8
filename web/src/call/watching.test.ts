import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { layerFor } from "../peer/layers.ts";
import type { Watched } from "../signalling/messages.ts";
import { FakeClock } from "../testing/clock.ts";
import { Watching } from "./watching.ts";

let clock: FakeClock;
let told: Watched[][];
let watching: Watching;

beforeEach(() => {
  clock = new FakeClock();
  told = [];
  watching = new Watching(clock, (pictures) => told.push(pictures));
});

test("how large everyone is shown is told once it has settled, and again when it changes", async () => {
  watching.look("d", "h");
  await clock.pass(200);
  watching.look("d", "f");
  watching.look("g", "q");
  await clock.pass(299);
  assert.deepEqual(told, []);
  await clock.pass(1);
  const first = [{ user: "d", most: "f" }, { user: "g", most: "q" }];
  assert.deepEqual(told, [first]);
  watching.look("g", "q");
  await clock.pass(1_000);
  assert.equal(told.length, 1, "nothing new");
  watching.look("g", "h");
  await clock.pass(300);
  assert.deepEqual(told[1], [{ user: "d", most: "f" }, { user: "g", most: "h" }]);
});

test("of one other there is nothing to tell", async () => {
  watching.look("d", "f");
  await clock.pass(1_000);
  watching.repeat();
  assert.deepEqual(told, []);
});

test("a hidden page requests the smallest layers, and the displayed ones at once on return", async () => {
  watching.look("d", "f");
  watching.look("g", "h");
  await clock.pass(300);
  watching.hide(true);
  await clock.pass(300);
  assert.deepEqual(told[1]?.map(({ most }) => most), ["q", "q"]);
  watching.hide(false);
  assert.deepEqual(told[2]?.map(({ most }) => most), ["f", "h"]);
});

test("a server that may have forgotten is told again", async () => {
  watching.look("d", "f");
  watching.look("g", "q");
  await clock.pass(300);
  watching.repeat();
  assert.deepEqual(told[0], told[1]);
});

test("a picture is not sent larger than it is shown", () => {
  assert.equal(layerFor(168, 126, 1), "q");
  assert.equal(layerFor(168, 126, 3), "q", "the pixels are too small to see");
  assert.equal(layerFor(243, 182, 1.5), "h");
  assert.equal(layerFor(640, 360, 1), "h");
  assert.equal(layerFor(390, 700, 3), "f", "an upright phone is filled");
  assert.equal(layerFor(1280, 720, 1), "f");
});
