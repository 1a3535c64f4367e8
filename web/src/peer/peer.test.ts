import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { settle } from "../testing/clock.ts";
import { answer, begin, clock, connect, lose, offers, pc, peer, roam, talk } from "../testing/connected.ts";
import { FakePeerConnection } from "../testing/peer.ts";
import { preferred } from "./codecs.ts";

beforeEach(begin);

test("it offers four sections in one bundle and takes the other person's tracks by mid", async () => {
  await connect();
  assert.deepEqual(pc().configuration, { bundlePolicy: "max-bundle" });
  assert.deepEqual(
    pc().transceivers.map(({ kind, direction }) => `${direction} ${kind}`),
    ["sendonly audio", "sendonly video", "recvonly audio", "recvonly video"],
  );
  assert.equal(peer.link, "up");
  assert.deepEqual(peer.received.get("d"), [{ id: "audio2" }, { id: "video3" }]);
});

test("little is sent while waiting, and the whole picture in the call, also over a fresh connection", async () => {
  const bitrate = (): unknown => pc().transceivers[1]?.sender.encoding["maxBitrate"];
  await connect();
  assert.equal(bitrate(), 100_000);
  peer.pace(true);
  await settle();
  assert.equal(bitrate(), 1_500_000);
  await lose();
  await answer();
  assert.equal(bitrate(), 1_500_000);
  peer.pace(false);
  await settle();
  assert.equal(bitrate(), 100_000);
});

test("the picture is whole as soon as there are bits for it, and after 2 s in any case", async () => {
  const scale = (): unknown => pc().transceivers[1]?.sender.encoding["scaleResolutionDownBy"];
  await connect();
  const sender = pc().transceivers[1]?.sender;
  assert.ok(sender);
  assert.equal(scale(), 4);
  peer.pace(true);
  await clock.pass(500);
  assert.equal(scale(), 4);
  sender.targetBitrate = 700_000;
  await clock.pass(100);
  assert.equal(scale(), 1);
  peer.pace(false);
  await settle();
  assert.equal(scale(), 4);
  sender.targetBitrate = 200_000;
  peer.pace(true);
  await clock.pass(1_900);
  assert.equal(scale(), 4);
  await clock.pass(200);
  assert.equal(scale(), 1);
});

test("a picture short of bits makes the connection probe, without the server", async () => {
  peer.send(null, { kind: "video", enabled: true } as MediaStreamTrack);
  await connect();
  peer.pace(true);
  const made = pc();
  made.encoder = { targetBitrate: 300_000 };
  await talk(6_000);
  const bounds = made.answers.flatMap((sdp) => /b=TIAS:(\d+)/.exec(sdp)?.[1] ?? []).map(Number);
  assert.equal(bounds.length, 2);
  assert.ok((bounds[1] ?? 0) > (bounds[0] ?? 0), "only a higher bound is probed for");
  assert.equal(offers.length, 1);
  made.encoder = { targetBitrate: 1_500_000 };
  await talk(6_000);
  assert.equal(made.answers.length, 3);
});

test("a picture that was made small grows at once when there are bits again", async () => {
  const track = { kind: "video", enabled: true, getSettings: () => ({ height: 720 }) };
  peer.send(null, track as unknown as MediaStreamTrack);
  await connect();
  peer.pace(true);
  const made = pc();
  made.encoder = { targetBitrate: 1_400_000, frameHeight: 180, qualityLimitationReason: "bandwidth" };
  await talk(1_000);
  const tried = made.transceivers[1]?.sender.preferences.slice(-2);
  assert.deepEqual(tried, ["maintain-framerate", "balanced"]);
});

test("there is a pair of sections for each of the others, and the tracks are theirs by mid", async () => {
  peer.meet(3, false);
  peer.open();
  await settle();
  const receiving = pc().transceivers.slice(2).map(({ kind, direction }) => `${direction} ${kind}`);
  assert.deepEqual(receiving, ["recvonly audio", "recvonly video", "recvonly audio", "recvonly video", "recvonly audio", "recvonly video"]);
  await answer([{ mid: "4", user: "g" }, { mid: "5", user: "g" }, { mid: "2", user: "d" }, { mid: "3", user: "d" }]);
  assert.deepEqual([...peer.received], [
    ["d", [{ id: "audio2" }, { id: "video3" }]],
    ["g", [{ id: "audio4" }, { id: "video5" }]],
  ]);
});

/** The maximum bit rate of each layer sent, if it is active. */
function sizes(at = -1): Record<string, unknown> {
  const encodings = pc(at).transceivers[1]?.sender.encodings ?? [];
  return Object.fromEntries(encodings.map(({ rid, active, maxBitrate }) => [rid, active === false ? 0 : maxBitrate]));
}

test("video to several participants is sent in three layers, and unused ones are paused", async () => {
  peer.meet(2, true);
  await connect();
  assert.deepEqual(sizes(), { q: 100_000, h: 0, f: 0 }, "while waiting the path is kept warm");
  peer.pace(true);
  await settle();
  assert.deepEqual(sizes(), { q: 150_000, h: 500_000, f: 1_500_000 });
  peer.receive({ type: "layers", peer: offers[0]?.peer ?? 0, wanted: ["q", "f"] });
  await settle();
  assert.deepEqual(sizes(), { q: 150_000, h: 0, f: 1_500_000 });
  peer.receive({ type: "layers", peer: 1, wanted: ["q"] });
  await settle();
  assert.deepEqual(sizes(), { q: 150_000, h: 0, f: 1_500_000 }, "another connection's are nothing to this one");
  peer.pace(false);
  await settle();
  assert.deepEqual(sizes(), { q: 100_000, h: 0, f: 0 });
  peer.receive({ type: "layers", peer: offers[0]?.peer ?? 0, wanted: ["h"] });
  await settle();
  assert.deepEqual(sizes(), { q: 100_000, h: 0, f: 0 });
  peer.pace(true);
  await settle();
  assert.deepEqual(sizes(), { q: 0, h: 500_000, f: 0 });
});

test("a picture of several sizes is probed for what they take together", async () => {
  peer.send(null, { kind: "video", enabled: true } as MediaStreamTrack);
  peer.meet(2, true);
  await connect();
  peer.pace(true);
  pc().encoder = { targetBitrate: 600_000 };
  peer.receive({ type: "layers", peer: offers[0]?.peer ?? 0, wanted: ["q", "h"] });
  await talk(6_000);
  assert.equal(pc().answers.length, 1);
  peer.receive({ type: "layers", peer: offers[0]?.peer ?? 0, wanted: ["q", "h", "f"] });
  await talk(4_000);
  assert.equal(pc().answers.length, 2);
});

for (const browser of ["ignored", "refused"] as const) {
  test(`where several sizes are ${browser}, one is sent`, async () => {
    FakePeerConnection.layers = browser;
    peer.meet(2, true);
    await connect();
    peer.pace(true);
    peer.receive({ type: "layers", peer: offers[0]?.peer ?? 0, wanted: ["q"] });
    await clock.pass(2_100);
    const { active, maxBitrate, scaleResolutionDownBy } = pc().transceivers[1]?.sender.encoding ?? {};
    assert.deepEqual([active, maxBitrate, scaleResolutionDownBy], [undefined, 1_500_000, 1]);
    assert.equal(FakePeerConnection.made.length, 1);
  });
}

test("when a third one comes, a connection that sends several sizes takes over from the one that does not", async () => {
  peer.meet(1, false);
  await connect();
  assert.equal(pc().transceivers[1]?.sender.encodings.length, 1);
  peer.meet(1, true);
  await settle();
  assert.deepEqual([FakePeerConnection.made.length, pc(0).closed], [2, false]);
  assert.deepEqual(Object.keys(sizes(1)), ["q", "h", "f"]);
  await answer();
  pc(1).become("connected");
  assert.deepEqual([pc(0).closed, FakePeerConnection.made.length], [true, 2]);
  peer.meet(1, false);
  await settle();
  assert.equal(FakePeerConnection.made.length, 2, "nothing is made anew when they go");
});

test("for one more participant a wider connection is made beside the old one, which stays until that one carries", async () => {
  await connect();
  peer.meet(2, false);
  await settle();
  const [old, wide] = FakePeerConnection.made;
  assert.equal(FakePeerConnection.made.length, 2);
  assert.deepEqual([old?.transceivers.length, wide?.transceivers.length], [4, 6]);
  assert.deepEqual([old?.closed, peer.link], [false, "up"]);
  await answer([{ mid: "2", user: "d" }, { mid: "4", user: "g" }]);
  assert.deepEqual([...peer.received.keys()], ["d"], "what runs is shown until then");
  wide?.become("connected");
  assert.deepEqual([old?.closed, [...peer.received.keys()]], [true, ["d", "g"]]);
  peer.meet(1, false);
  peer.meet(2, false);
  await settle();
  assert.equal(FakePeerConnection.made.length, 2, "an empty place costs nothing");
});

test("a connection that is being set up is finished although it is too small, and a larger one follows", async () => {
  peer.open();
  await settle();
  peer.meet(2, false);
  peer.meet(3, false);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  await answer();
  pc().become("connected");
  await settle();
  assert.deepEqual([FakePeerConnection.made.length, pc(0).closed, pc().transceivers.length], [2, false, 8]);
});

test("a small connection that recovers does not end the larger one that is being set up", async () => {
  await connect();
  await talk(1_000);
  peer.meet(2, false);
  await settle();
  await talk(1_600, false);
  await talk(500);
  assert.equal(peer.link, "up");
  assert.deepEqual([FakePeerConnection.made.length, pc(1).closed], [2, false]);
  await answer();
  pc(1).become("connected");
  assert.equal(pc(0).closed, true);
});

test("on a slow machine each step has its own time, and more after each attempt that took too long", async () => {
  roam();
  peer.open();
  await clock.pass(7_900);
  await answer();
  await clock.pass(1_900);
  assert.equal(offers.length, 1, "a late answer leaves as much time for ICE");
  pc().findPath();
  await clock.pass(3_900);
  assert.equal(offers.length, 1, "and late ICE for DTLS");
  pc().become("connected");
  assert.equal(peer.link, "up");

  pc().become("failed");
  const times: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const before: number = offers.length;
    const begun = clock.now();
    await settle();
    while (offers.length === before) await clock.pass(1_000);
    times.push(clock.now() - begun);
  }
  assert.deepEqual(times.slice(1), [8_000, 16_000, 32_000], "without answers");
});

test("where the wider one fails, it is tried again; and so it is where the server was out of reach", async () => {
  await connect();
  peer.meet(2, false);
  await settle();
  peer.receive({ type: "media_failed", peer: offers.at(-1)?.peer ?? 0, reason: "busy" });
  assert.equal(peer.link, "up");
  await clock.pass(1_000);
  assert.deepEqual([FakePeerConnection.made.length, pc().transceivers.length, pc(0).closed], [3, 6, false]);
  await answer();
  pc().become("connected");
  peer.reachable(false);
  peer.meet(3, false);
  await settle();
  assert.equal(FakePeerConnection.made.length, 3);
  peer.reachable(true);
  await settle();
  assert.deepEqual([FakePeerConnection.made.length, pc().transceivers.length], [4, 8]);
});

test("a stranger's tracks are not taken", async () => {
  peer.open();
  await settle();
  await answer([{ mid: "2", user: "someone" }, { mid: "3", user: "d" }]);
  assert.deepEqual(peer.received.get("d"), [{ id: "video3" }]);
});

test("a server that is not heard for a second is offered a fresh connection; the old one stays until it carries", async () => {
  await connect();
  await talk(3_000);
  assert.equal(offers.length, 1);
  await talk(1_600, false);
  assert.equal(peer.link, "lost");
  assert.equal(offers.length, 2);
  assert.notEqual(offers[1]?.peer, offers[0]?.peer);
  assert.equal(pc(0).closed, false);
  await answer();
  pc().become("connected");
  assert.equal(pc(0).closed, true);
  assert.equal(peer.link, "up");
});

test("the first connection that carries media is used", async () => {
  await connect();
  await talk(1_000);
  await talk(1_600, false);
  await talk(300);
  assert.equal(peer.link, "up");
  assert.equal(pc(1).closed, true);
  assert.equal(pc(0).closed, false);
  await talk(20_000);
  assert.equal(offers.length, 2);
});

test("a fresh connection that is half through goes on", async () => {
  await connect();
  await talk(1_000);
  await talk(1_600, false);
  await answer();
  pc(1).iceConnectionState = "connected";
  await talk(300);
  assert.equal(pc(1).closed, false);
  pc(1).become("connected");
  assert.equal(pc(0).closed, true);
});

test("a connection that the server has ended is replaced", async () => {
  await connect();
  await talk(1_000);
  pc().dtlsState = "closed";
  await clock.pass(500);
  assert.equal(offers.length, 2);
});

test("a page that sends nothing does not expect packets from the server", async () => {
  await connect();
  pc().packets = { sent: 5, received: 5 };
  await clock.pass(60_000);
  assert.equal(offers.length, 1);
});

test("a path that is shaky for 2 s is replaced", async () => {
  await connect();
  pc().become("disconnected");
  await clock.pass(1_999);
  assert.equal(offers.length, 1);
  await clock.pass(1);
  assert.equal(offers.length, 2);
});

test("a drop that mends itself is left alone", async () => {
  await connect();
  pc().become("disconnected");
  await clock.pass(1_000);
  pc().become("connected");
  await clock.pass(30_000);
  assert.equal(offers.length, 1);
});

test("a fresh connection that does not come is replaced after 8 s", async () => {
  await connect();
  pc().become("failed");
  await settle();
  assert.equal(offers.length, 2);
  await answer();
  await clock.pass(8_000);
  assert.equal(offers.length, 3);
  assert.equal(pc(1).closed, true);
  assert.equal(pc(0).closed, false);
});

test("the first connection roams; where UDP gets nowhere a plain one follows", async () => {
  roam();
  peer.open();
  await settle();
  await answer();
  assert.equal(pc().roams, true);
  await clock.pass(2_000);
  assert.equal(offers.length, 2);
  assert.equal(pc(0).closed, true);
  assert.equal(pc().roams, false);
  await answer();
  await clock.pass(7_999);
  assert.equal(offers.length, 2);
});

test("where the server is reached but not heard, UDP may be blocked; where it comes back, the network may be another", async () => {
  roam();
  await connect();
  await talk(1_000);
  await talk(1_600, false);
  assert.deepEqual(FakePeerConnection.made.map((made) => made.roams), [true, false]);
  await answer();
  pc().become("connected");
  await lose();
  assert.deepEqual(FakePeerConnection.made.map((made) => made.roams), [true, false, true]);
});

test("a fresh connection that fails for want of a network may find one", async () => {
  await connect();
  pc(0).become("failed");
  await settle();
  await answer();
  pc(1).become("failed");
  await clock.pass(2_000);
  assert.equal(pc(1).closed, false);
  pc(1).become("connected");
  assert.equal(peer.link, "up");
  assert.equal(pc(0).closed, true);
  await clock.pass(30_000);
  assert.equal(offers.length, 2);
});

test("what the server has lost is made anew at once", async () => {
  await connect();
  peer.receive({ type: "media_failed", peer: offers[0]?.peer ?? 0, reason: "lost" });
  await settle();
  assert.equal(offers.length, 2);
});

test("a refused offer is made again with a fresh connection, later and later", async () => {
  peer.open();
  await settle();
  const waits: number[] = [];
  for (let turn = 0; turn < 7; turn++) {
    const before: number = offers.length;
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

test("messages about another connection are ignored", async () => {
  await connect();
  peer.receive({ type: "media_failed", peer: 1, reason: "lost" });
  await clock.pass(20_000);
  assert.equal(FakePeerConnection.made.length, 1);
});

test("without the server it waits, and offers when the server is back", async () => {
  await connect();
  peer.reachable(false);
  pc().become("failed");
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
  await lose();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(offers.length, 2);
});

test("a connection the server does not hold, but carries, is kept", async () => {
  await connect();
  await talk(1_000);
  peer.gone();
  peer.reachable(true);
  await talk(1_000);
  assert.equal(offers.length, 1);
  peer.gone();
  peer.reachable(true);
  await talk(300, false);
  assert.equal(offers.length, 2, "one that has just gone silent is not");
});

test("tracks are sent on the connection that is, and on the next", async () => {
  const sound = { kind: "audio" } as MediaStreamTrack;
  peer.send(sound, null);
  await connect();
  assert.equal(pc().transceivers[0]?.sender.track, sound);
  await lose();
  assert.equal(pc().transceivers[0]?.sender.track, sound);
  peer.send(null, null);
  await settle();
  assert.equal(pc(0).transceivers[0]?.sender.track, null);
});

test("a closed peer stays closed", async () => {
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
