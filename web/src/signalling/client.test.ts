import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeClock } from "../testing/clock.ts";
import { FakeServer } from "../testing/socket.ts";
import { aView } from "../testing/views.ts";
import { SignallingClient, type Transport } from "./client.ts";
import type { Change, Command, View } from "./messages.ts";

let clock: FakeClock;
let server: FakeServer;
let client: SignallingClient;
let transports: Transport[];
let views: View[];
let changes: Change[];
let answers: [string, string][];
let stopping: number | null;
let asking: number;

beforeEach(() => {
  clock = new FakeClock();
  server = new FakeServer();
  transports = [];
  views = [];
  changes = [];
  answers = [];
  stopping = null;
  asking = 0;
  client = new SignallingClient({
    url: "wss://clinic/x",
    socket: server.open,
    clock,
    random: () => 0.5,
    events: {
      transport: (transport) => transports.push(transport),
      snapshot: (view) => views.push(view),
      changed: (more) => changes.push(...more),
      acknowledged: (command) => answers.push([command.name, "done"]),
      refused: (command, refusal) => answers.push([command.name, refusal]),
      media: () => {},
      speaking: () => {},
      admissions: (waiting) => (asking = waiting.length),
      stopping: (until) => (stopping = until),
    },
  });
  client.start();
});

const START: Command = { name: "start" };

test("it is open only once a snapshot came", () => {
  assert.deepEqual(transports, ["connecting"]);
  server.last.snapshot();
  assert.deepEqual(transports, ["connecting", "open"]);
  assert.equal(views.length, 1);
});

test("a command given before the snapshot follows the greeting", () => {
  client.command(START);
  client.greet({ name: "enter" });
  assert.deepEqual(server.last.sent, []);
  server.last.snapshot();
  assert.deepEqual(server.last.commands, [{ name: "enter" }, START]);
});

test("unanswered commands go out again under their ids, after the greeting", async () => {
  client.greet({ name: "enter" });
  server.last.snapshot();
  server.last.acknowledge();
  client.command(START);
  const first = server.last.sent.at(-1);
  server.last.drop();
  await clock.pass(250);
  server.last.snapshot();
  assert.equal(server.sockets.length, 2);
  assert.deepEqual(server.last.commands, [{ name: "enter" }, START]);
  assert.deepEqual(server.last.sent[1], first);
  server.last.acknowledge();
  assert.deepEqual(answers.at(-1), ["start", "done"]);
  server.last.drop();
  await clock.pass(250);
  server.last.snapshot();
  assert.deepEqual(server.last.commands, [{ name: "enter" }]);
});

test("it comes back later and later, up to 1.5 s, then every 4 s, and never gives up", async () => {
  const waits: number[] = [];
  for (let turn = 0; turn < 66; turn++) {
    const before = server.sockets.length;
    server.last.drop();
    let waited = 0;
    while (server.sockets.length === before) {
      await clock.pass(10);
      waited += 10;
    }
    waits.push(waited);
  }
  assert.deepEqual(waits.slice(0, 6), [250, 380, 570, 850, 1_270, 1_500]);
  assert.deepEqual(waits.slice(8, 12), [1_500, 1_500, 4_000, 4_000]);
  assert.equal(waits.at(-1), 4_000);
  server.last.snapshot();
  server.last.drop();
  await clock.pass(250);
  assert.equal(server.sockets.length, 68);
});

test("an attempt that is not answered gets others beside it, and the first answer wins", async () => {
  await clock.pass(2_000);
  assert.equal(server.sockets.length, 3);
  assert.equal(transports.at(-1), "reconnecting");
  server.sockets[1]?.snapshot();
  assert.equal(transports.at(-1), "open");
  await clock.pass(2_000);
  assert.deepEqual(server.sockets.map((socket) => socket.closed), [true, false, true]);
  await clock.pass(4_000);
  assert.equal(server.sockets.length, 3);
});

test("parallel attempts are silent until they are chosen, one at a time", async () => {
  await clock.pass(3_000);
  const [first, second, third, fourth] = server.sockets;
  assert.deepEqual(server.addresses.map((address) => address.includes("knock=true")), [false, true, true, true]);
  for (const socket of [third, second, fourth, first]) socket?.open();
  assert.deepEqual(server.sockets.map((socket) => socket.sent.length), [0, 0, 1, 0]);
  third?.snapshot();
  assert.equal(transports.at(-1), "open");
  assert.deepEqual(server.sockets.map((socket) => socket.closed), [false, true, false, true], "the first may be answered");
  await clock.pass(2_000);
  assert.equal(first?.closed, true);
});

test("if the chosen attempt is not answered, another is chosen", async () => {
  await clock.pass(2_000);
  const [, second, third] = server.sockets;
  second?.open();
  third?.open();
  assert.deepEqual([second?.sent.length, third?.sent.length], [1, 0]);
  await clock.pass(1_000);
  assert.deepEqual([second?.sent.length, third?.sent.length], [1, 1]);
  server.last.open();
  assert.equal(server.last.sent.length, 0);
  third?.drop();
  assert.equal(server.last.sent.length, 1);
});

test("of concurrent attempts the server's last one is used, without a further attempt", async () => {
  server.last.snapshot(aView(), 40);
  server.last.drop();
  await clock.pass(1_250);
  const [, second, third] = server.sockets;
  third?.open();
  second?.say({ type: "resumed", sequence: 40, latest: 41, now: 9 });
  second?.say({ type: "changed", sequence: 41, changes: [{ name: "visit", visit: "w" }] });
  // By now the server treats the third connection as the page's.
  second?.drop(4001);
  third?.say({ type: "resumed", sequence: 40, latest: 42, now: 9 });
  third?.say({ type: "changed", sequence: 41, changes: [{ name: "visit", visit: "w" }] });
  assert.notEqual(transports.at(-1), "open");
  third?.say({ type: "changed", sequence: 42, changes: [{ name: "visit", visit: "x" }] });
  assert.equal(transports.at(-1), "open");
  assert.deepEqual(changes.map((change) => change.name === "visit" && change.visit), ["w", "x"]);
  third?.say({ type: "changed", sequence: 43, changes: [{ name: "visit", visit: "y" }] });
  await clock.pass(3_000);
  assert.deepEqual([server.sockets.length, changes.length, transports.at(-1)], [3, 3, "open"]);
});

test("what repeats only what was heard is open at once", async () => {
  server.last.snapshot(aView(), 40);
  server.last.drop();
  await clock.pass(1_250);
  const [, second, third] = server.sockets;
  third?.open();
  second?.say({ type: "resumed", sequence: 40, latest: 41, now: 9 });
  second?.say({ type: "changed", sequence: 41, changes: [] });
  third?.say({ type: "resumed", sequence: 40, latest: 41, now: 9 });
  assert.equal(transports.at(-1), "open");
  third?.say({ type: "changed", sequence: 41, changes: [] });
  third?.say({ type: "changed", sequence: 42, changes: [] });
  assert.equal(transports.at(-1), "open");
});

test("where the answer was of no use, the search goes on", async () => {
  await clock.pass(1_000);
  const [first] = server.sockets;
  first?.snapshot();
  first?.drop();
  assert.equal(transports.at(-1), "reconnecting");
  await clock.pass(1_000);
  assert.equal(server.sockets.length, 3);
  server.last.snapshot();
  assert.equal(transports.at(-1), "open");
});

test("no more than six attempts are waited for, and three once it lasts, fewer and fewer a minute", async () => {
  await clock.pass(9_999);
  assert.equal(server.sockets.filter((socket) => !socket.closed).length, 6);
  await clock.pass(50_001);
  assert.equal(server.sockets.filter((socket) => !socket.closed).length, 3);
  assert.equal(server.sockets.length, 24);
});

test("once it lasts, an attempt that took its time to fail is followed soon", async () => {
  await clock.pass(10_000);
  for (const socket of server.sockets) if (!socket.closed) socket.drop();
  const before = server.sockets.length;
  await clock.pass(3_990);
  assert.equal(server.sockets.length, before);
  await clock.pass(10);
  assert.equal(server.sockets.length, before + 1);
  await clock.pass(3_000);
  server.last.drop();
  await clock.pass(1_000);
  assert.equal(server.sockets.length, before + 2);
});

test("it says who it is, and asks for what it missed", async () => {
  server.last.snapshot(aView(), 40);
  server.last.say({ type: "changed", sequence: 41, changes: [] });
  server.last.drop();
  await clock.pass(250);
  const [first = "", second = ""] = server.addresses;
  assert.match(first, /^wss:\/\/clinic\/x\?page=[a-z0-9]+$/);
  assert.equal(second, `${first}&after=41`);
  server.last.say({ type: "resumed", sequence: 41, latest: 43, now: 9 });
  server.last.say({ type: "changed", sequence: 42, changes: [{ name: "visit", visit: "w" }] });
  assert.equal(transports.at(-1), "reconnecting", "it has not caught up");
  client.command(START);
  assert.deepEqual(server.last.sent, []);
  server.last.say({ type: "changed", sequence: 43, changes: [{ name: "visit", visit: "x" }] });
  assert.equal(transports.at(-1), "open");
  assert.deepEqual(server.last.commands, [START], "no greeting: the seat was kept");
  assert.equal(views.length, 1);
  assert.equal(changes.length, 2);
});

test("a page that missed nothing is open at once", async () => {
  client.greet({ name: "enter" });
  server.last.snapshot(aView(), 40);
  server.last.drop();
  await clock.pass(250);
  server.last.say({ type: "resumed", sequence: 40, latest: 40, now: 9 });
  assert.equal(transports.at(-1), "open");
  assert.deepEqual(server.last.commands, [{ name: "enter" }], "it had no answer");
});

test("a server that goes on from elsewhere is asked for everything", async () => {
  server.last.snapshot(aView(), 40);
  server.last.drop();
  await clock.pass(250);
  server.last.say({ type: "resumed", sequence: 39, latest: 39, now: 9 });
  await clock.pass(380);
  assert.doesNotMatch(server.addresses.at(-1) ?? "", /after/);
});

test("a connection that its own page overtook comes back at once", () => {
  server.last.snapshot();
  const before = server.sockets.length;
  server.last.drop(4001);
  assert.equal(server.sockets.length, before + 1);
});

test("a server that is about to stop says so, until another answers", async () => {
  server.last.snapshot();
  server.last.say({ type: "stopping", until: 77 });
  assert.equal(stopping, 77);
  server.last.drop(1012);
  await clock.pass(250);
  server.last.snapshot();
  assert.equal(stopping, null);
});

test("who asks to come in is told, and asked for anew on another connection", async () => {
  server.last.snapshot();
  const asked = { id: "1", user: "p", device: null, since: 5 };
  server.last.say({ type: "admissions", waiting: [asked] });
  assert.equal(asking, 1);
  server.last.drop();
  await clock.pass(250);
  server.last.snapshot();
  assert.equal(asking, 0, "the server says it again if it is still so");
});

test("a network that is back is used at once", async () => {
  for (let turn = 0; turn < 8; turn++) {
    server.last.drop();
    await clock.pass(5_000);
  }
  server.last.drop();
  const before = server.sockets.length;
  client.nudge();
  assert.equal(server.sockets.length, before + 1);
});

test("a connection in doubt that answers stays, and the one begun beside it goes", async () => {
  server.last.snapshot();
  client.nudge();
  client.nudge();
  const [first, second] = server.sockets;
  assert.equal(server.sockets.length, 2);
  first?.say({ type: "pong" });
  await clock.pass(2_000);
  assert.deepEqual([first?.closed, second?.closed], [false, true]);
  await clock.pass(6_000);
  assert.equal(transports.at(-1), "open");
});

test("a connection in doubt that is dead is replaced without a gap", async () => {
  server.last.snapshot(aView(), 40);
  client.nudge();
  const [first, second] = server.sockets;
  second?.say({ type: "resumed", sequence: 40, latest: 40, now: 9 });
  assert.deepEqual([first?.closed, second?.closed], [true, false]);
  assert.deepEqual(transports, ["connecting", "open", "open"]);
});

test("a network that changed must prove the old connection", async () => {
  server.last.snapshot();
  client.nudge();
  assert.deepEqual(server.sockets[0]?.sent, [{ type: "ping" }]);
  await clock.pass(1_500);
  assert.deepEqual(transports.at(-1), "reconnecting");
});

test("it pings every 5 s and stays while there are answers", async () => {
  server.last.snapshot();
  for (let turn = 0; turn < 6; turn++) {
    await clock.pass(5_000);
    server.last.say({ type: "pong" });
  }
  assert.equal(server.last.sent.length, 6);
  assert.equal(server.sockets.length, 1);
});

test("10 s of silence is a dead connection", async () => {
  server.last.snapshot();
  await clock.pass(9_999);
  assert.equal(transports.at(-1), "open");
  await clock.pass(1);
  assert.equal(transports.at(-1), "reconnecting");
  assert.equal(server.sockets[0]?.closed, true);
});

test("changes are applied in order; a gap asks for a fresh snapshot", async () => {
  server.last.snapshot(aView(), 7);
  server.last.say({ type: "changed", sequence: 8, changes: [{ name: "visit", visit: "w" }] });
  assert.deepEqual(changes, [{ name: "visit", visit: "w" }]);
  server.last.say({ type: "changed", sequence: 10, changes: [{ name: "visit", visit: "x" }] });
  assert.equal(changes.length, 1);
  assert.equal(transports.at(-1), "reconnecting");
  await clock.pass(250);
  server.last.snapshot();
  assert.equal(views.length, 2);
});

test("a seat that moved is not taken back automatically, but by the user", async () => {
  server.last.snapshot();
  server.last.say({ type: "moved" });
  await clock.pass(60_000);
  assert.equal(transports.at(-1), "moved");
  assert.equal(server.sockets.length, 1);
  client.start();
  assert.equal(server.sockets.length, 2);
});

test("final close codes are final", async () => {
  const finals: [number, Transport][] = [
    [4000, "moved"],
    [4401, "signed_out"],
    [4403, "refused"],
    [4409, "broken"],
  ];
  for (const [code, transport] of finals) {
    server.last.drop(code);
    await clock.pass(60_000);
    assert.equal(transports.at(-1), transport);
    client.start();
  }
  assert.equal(server.sockets.length, finals.length + 1);
});

test("an abandoned connection is not listened to", async () => {
  const old = server.last;
  const say = old.onmessage;
  old.snapshot();
  old.drop();
  await clock.pass(250);
  say?.({ data: JSON.stringify({ type: "moved" }) });
  assert.notEqual(transports.at(-1), "moved");
});

test("only the latest of what supersedes itself is kept", () => {
  client.command({ name: "set_media", microphone: false, camera: true });
  client.command({ name: "set_media", microphone: true, camera: true });
  client.command(START);
  server.last.snapshot();
  assert.deepEqual(server.last.commands, [{ name: "set_media", microphone: true, camera: true }, START]);
});

test("malformed messages are ignored", () => {
  server.last.snapshot();
  for (const data of ["", "{", "null", "7", '{"type":"new"}', new Uint8Array(2)]) server.last.onmessage?.({ data });
  assert.equal(transports.at(-1), "open");
});
