import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { FakeClock } from "../testing/clock.ts";
import { FakePeerConnection } from "../testing/peer.ts";
import { NO_PATH, type BackendContext, type CallBackend, type MediaWish } from "./backend.ts";
import { createEmbedded } from "./embedded.ts";

const NAMES = ["MediaStream", "RTCPeerConnection", "document"];
const WAITING: MediaWish = {
  present: true,
  connected: false,
  people: 1,
  several: false,
  awaited: { sound: false, picture: false, certain: true },
  otherReady: false,
  microphone: null,
  camera: null,
  published: { microphone: true, camera: true },
};

let clock: FakeClock;
let backend: CallBackend;
let frames: { removed: boolean }[];

/** An iframe whose connections can roam, like Chromium's. */
function frame(): object {
  const made = {
    removed: false,
    isConnected: true,
    contentWindow: { RTCPeerConnection: FakePeerConnection },
    featurePolicy: { allowsFeature: () => false },
    remove() {
      made.removed = true;
      made.isConnected = false;
    },
  };
  frames.push(made);
  return made;
}

beforeEach(() => {
  clock = new FakeClock();
  frames = [];
  FakePeerConnection.made = [];
  const MediaStream = class {
    getTracks = () => [];
    addTrack = () => {};
    removeTrack = () => {};
  };
  const document = { createElement: frame, documentElement: { append: () => {} } };
  Object.assign(globalThis, { MediaStream, RTCPeerConnection: FakePeerConnection, document });
  backend = createEmbedded({ other: "d", clock, random: () => 0.5, offer: () => true, changed: () => {} } as unknown as BackendContext);
});

afterEach(() => {
  backend.close();
  for (const name of NAMES) Reflect.deleteProperty(globalThis, name);
});

test("a page without a way to the server says so after ten seconds, with what to do", async () => {
  backend.update(WAITING);
  await clock.pass(9_900);
  assert.equal(backend.state.trouble, null);
  await clock.pass(100);
  assert.deepEqual([backend.state.link, backend.state.trouble], ["connecting", NO_PATH]);
  FakePeerConnection.made.at(-1)?.become("connected");
  assert.deepEqual([backend.state.link, backend.state.trouble], ["up", null]);
  await clock.pass(60_000);
  assert.equal(backend.state.trouble, null);
});

test("a person who left is not told that there is no way", async () => {
  backend.update(WAITING);
  await clock.pass(5_000);
  backend.update({ ...WAITING, present: false });
  await clock.pass(20_000);
  assert.equal(backend.state.trouble, null);
});

test("what connections leave in the page is taken out with them", async () => {
  backend.update(WAITING);
  await clock.pass(100);
  assert.deepEqual(frames.map(({ removed }) => removed), [false]);
  backend.close();
  assert.deepEqual(frames.map(({ removed }) => removed), [true]);
});
