import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeClock, settle } from "../testing/clock.ts";
import { FakePeerConnection } from "../testing/peer.ts";
import { preferred } from "./codecs.ts";
import { Peer } from "./peer.ts";
import { QualityMeter } from "./quality.ts";

let clock: FakeClock;
let offers: { peer: number; sdp: string }[];
let peer: Peer;

beforeEach(() => {
  clock = new FakeClock();
  offers = [];
  FakePeerConnection.made = [];
  peer = new Peer({
    clock,
    random: () => 0.5,
    create: (configuration) => new FakePeerConnection(configuration) as unknown as RTCPeerConnection,
    capabilities: () => null,
    other: "d",
    offer: (number, sdp) => offers.push({ peer: number, sdp }) > 0,
    changed: () => {},
  });
});

function pc(at = -1): FakePeerConnection {
  const made = FakePeerConnection.made.at(at);
  assert.ok(made);
  return made;
}

async function answer(tracks = [{ mid: "2", user: "d" }, { mid: "3", user: "d" }]): Promise<void> {
  peer.receive({ type: "answer", peer: offers.at(-1)?.peer ?? 0, sdp: "answer", tracks });
  await settle();
}

async function connect(): Promise<void> {
  peer.open();
  await settle();
  await answer();
  pc().become("connected");
}

test("it offers four sections in one bundle and takes the other person's tracks by mid", async () => {
  await connect();
  assert.deepEqual(pc().configuration, { bundlePolicy: "max-bundle" });
  assert.deepEqual(
    pc().transceivers.map(({ kind, direction }) => `${direction} ${kind}`),
    ["sendonly audio", "sendonly video", "recvonly audio", "recvonly video"],
  );
  assert.equal(peer.link, "up");
  assert.deepEqual(peer.received, [{ id: "audio2" }, { id: "video3" }]);
});

test("little is sent while waiting, and the whole picture in the call, also over a fresh connection", async () => {
  const bitrate = (): unknown => pc().transceivers[1]?.sender.encoding["maxBitrate"];
  await connect();
  assert.equal(bitrate(), 100_000);
  peer.pace(true);
  await settle();
  assert.equal(bitrate(), 1_500_000);
  peer.gone();
  await settle();
  await answer();
  assert.equal(bitrate(), 1_500_000);
  peer.pace(false);
  await settle();
  assert.equal(bitrate(), 100_000);
});

test("a stranger's tracks are not taken", async () => {
  peer.open();
  await settle();
  await answer([{ mid: "2", user: "someone" }, { mid: "3", user: "d" }]);
  assert.deepEqual(peer.received, [{ id: "video3" }]);
});

test("2 s after a drop it looks for a new path under the same number", async () => {
  await connect();
  pc().become("disconnected");
  await clock.pass(1_999);
  assert.equal(offers.length, 1);
  await clock.pass(1);
  assert.equal(FakePeerConnection.made.length, 1);
  assert.deepEqual(pc().offers.at(-1), { iceRestart: true });
  assert.equal(offers[1]?.peer, offers[0]?.peer);
  pc().become("connected");
  await clock.pass(30_000);
  assert.equal(FakePeerConnection.made.length, 1);
});

test("a drop that mends itself is left alone", async () => {
  await connect();
  pc().become("disconnected");
  await clock.pass(1_000);
  pc().become("connected");
  await clock.pass(30_000);
  assert.equal(offers.length, 1);
});

test("8 s after a drop there is a fresh connection, and the old one goes when it carries", async () => {
  await connect();
  pc().become("disconnected");
  await clock.pass(8_000);
  assert.equal(FakePeerConnection.made.length, 2);
  assert.notEqual(offers.at(-1)?.peer, offers[0]?.peer);
  assert.equal(pc(0).closed, false);
  assert.equal(peer.link, "lost");
  await answer();
  pc().become("connected");
  assert.equal(pc(0).closed, true);
  assert.equal(peer.link, "up");
});

test("a failed path is restarted at once", async () => {
  await connect();
  pc().become("failed");
  await clock.pass(0);
  assert.deepEqual(pc().offers.at(-1), { iceRestart: true });
});

test("a refused offer is made again with a fresh connection, later and later", async () => {
  peer.open();
  await settle();
  const waits: number[] = [];
  for (let turn = 0; turn < 7; turn++) {
    const before = offers.length;
    peer.receive({ type: "media_failed", peer: offers.at(-1)?.peer ?? 0, reason: "busy" });
    let waited = 0;
    while (offers.length === before) {
      await clock.pass(100);
      waited += 100;
    }
    waits.push(waited);
  }
  assert.deepEqual(waits, [300, 600, 1_200, 2_400, 4_800, 8_000, 8_000]);
  assert.equal(new Set(offers.map((offer) => offer.peer)).size, offers.length);
});

test("words about another connection are not listened to", async () => {
  await connect();
  peer.receive({ type: "media_failed", peer: 1, reason: "lost" });
  await clock.pass(20_000);
  assert.equal(FakePeerConnection.made.length, 1);
});

test("without the server it waits, and offers when the server is back", async () => {
  await connect();
  peer.reachable(false);
  pc().become("disconnected");
  await clock.pass(60_000);
  assert.equal(offers.length, 1);
  peer.reachable(true);
  await settle();
  assert.equal(offers.length, 2);
  assert.equal(peer.link, "lost");
});

test("an answer that went down with the connection is asked for anew", async () => {
  peer.open();
  await settle();
  peer.reachable(false);
  peer.reachable(true);
  await settle();
  assert.equal(offers.length, 2);
  assert.notEqual(offers[1]?.peer, offers[0]?.peer);
});

test("a connection the server does not hold is replaced at once", async () => {
  await connect();
  peer.gone();
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(offers.length, 2);
});

test("tracks are sent on the connection that is, and on the next", async () => {
  const sound = { kind: "audio" } as MediaStreamTrack;
  peer.send(sound, null);
  await connect();
  assert.equal(pc().transceivers[0]?.sender.track, sound);
  peer.gone();
  await settle();
  assert.equal(pc().transceivers[0]?.sender.track, sound);
  peer.send(null, null);
  await settle();
  assert.equal(pc(0).transceivers[0]?.sender.track, null);
});

test("closed is closed", async () => {
  await connect();
  pc().become("disconnected");
  peer.close();
  await clock.pass(60_000);
  assert.equal(FakePeerConnection.made.length, 1);
  assert.equal(pc().closed, true);
  assert.equal(peer.link, "off");
});

test("redundant Opus and VP8 come first, and nothing is dropped", () => {
  const codec = (mimeType: string): RTCRtpCodec => ({ mimeType, clockRate: 90_000 });
  const order = (kind: "audio" | "video", ...types: string[]): string[] =>
    preferred(kind, types.map(codec)).map(({ mimeType }) => mimeType);
  assert.deepEqual(order("audio", "audio/opus", "audio/red", "audio/PCMU"), ["audio/red", "audio/opus", "audio/PCMU"]);
  assert.deepEqual(order("video", "video/H264", "video/rtx", "video/VP8"), ["video/VP8", "video/rtx", "video/H264"]);
});

test("two weak reports make a weak connection", () => {
  const meter = new QualityMeter();
  const report = (fractionLost: number): Record<string, unknown>[] => [{ type: "remote-inbound-rtp", fractionLost }];
  assert.equal(meter.read(report(0)).you, "good");
  assert.equal(meter.read(report(0.2)).you, "good");
  assert.equal(meter.read(report(0.2)).you, "weak");
  assert.equal(meter.read(report(0)).you, "good");
});
