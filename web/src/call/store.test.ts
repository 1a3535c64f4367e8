import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { type Appointment, Problem } from "../api/appointment.ts";
import type { Command, ParticipantView, Refusal, Role, Stage, View } from "../signalling/messages.ts";
import { FakeClock, settle } from "../testing/clock.ts";
import { FakeDevices } from "../testing/media.ts";
import { FakeServer } from "../testing/socket.ts";
import { aCompanion, aView } from "../testing/views.ts";
import { type CallBackend, type MediaWish, NO_MEDIA } from "./backend.ts";
import { CallStore } from "./store.ts";

const APPOINTMENT: Appointment = {
  id: "a",
  datetime: "2026-01-01T10:00:00Z",
  duration: 20,
  type: "video",
  reason: null,
  status: "booked",
  provider: { userId: "d", name: "Dr. Okafor", specialty: null, avatarUrl: null },
  patient: { userId: "p", name: "Rosa", age: 71, avatarUrl: null },
  call: { backend: "fake", signalling: "/s" },
};

let clock: FakeClock;
let server: FakeServer;
let devices: FakeDevices;
let wishes: MediaWish[];
let answer: () => Promise<Appointment>;
let store: CallStore;

beforeEach(() => {
  clock = new FakeClock();
  server = new FakeServer();
  devices = new FakeDevices();
  wishes = [];
  answer = async () => APPOINTMENT;
});

function backend(): CallBackend {
  return {
    captures: false,
    state: NO_MEDIA,
    update: (wish) => wishes.push(wish),
    reachable: () => {},
    receive: () => {},
    stats: async () => undefined,
    close: () => {},
  };
}

async function begin(role: Role = "patient", user = role === "patient" ? "p" : "d"): Promise<void> {
  store = new CallStore({
    role,
    appointmentId: "a",
    user,
    api: { appointment: () => answer(), invite: async () => "", callToken: async () => "", admit: async () => {} },
    base: "",
    url: (path) => path,
    socket: server.open,
    loadBackend: async () => backend,
    capture: (changed) => devices.capture(changed),
    clock,
    random: () => 0.5,
  });
  await store.start();
  await settle();
}

const OFF = { microphone: false, camera: true };

function you(change: Partial<ParticipantView>, stage?: Stage): void {
  server.last.snapshot(aView(stage, "patient", change));
}

function named(name: Command["name"]): Command[] {
  return server.last.commands.filter((command) => command.name === name);
}

async function reconnect(change: Partial<ParticipantView>): Promise<void> {
  server.last.drop();
  await clock.pass(300);
  you(change);
}

test("a patient comes in once their devices are settled, first of all", async () => {
  devices.fault = () => "NotAllowedError";
  await begin();
  server.last.snapshot(aView({ name: "preparing" }));
  assert.deepEqual(named("enter"), []);
  devices.fault = () => null;
  await store.retryDevices();
  assert.deepEqual(named("enter"), [{ name: "enter" }]);
  await reconnect({});
  assert.deepEqual(server.last.commands[0], { name: "enter" });
});

test("who speaks is shown, and who spoke last stays known", async () => {
  await begin();
  server.last.snapshot(aView({ name: "waiting", since: 1 }));
  server.last.say({ type: "speaking", user: "g" });
  assert.deepEqual([store.state.speaking, store.state.floor], ["g", "g"]);
  server.last.say({ type: "speaking", user: null });
  assert.deepEqual([store.state.speaking, store.state.floor], [null, "g"]);
});

test("how large others are shown is said again with every media connection", async () => {
  const watched = (): unknown[] => server.last.sent.filter(({ type }) => type === "watch");
  await begin();
  server.last.snapshot(aView({ name: "connected", since: 1 }));
  store.look("d", "f");
  store.look("g", "q");
  await clock.pass(300);
  assert.deepEqual(watched(), [{ type: "watch", pictures: [{ user: "d", most: "f" }, { user: "g", most: "q" }] }]);
  server.last.say({ type: "answer", peer: 1, sdp: "", tracks: [] });
  assert.equal(watched().length, 2);
});

test("a provider comes in whatever their devices say", async () => {
  devices.fault = () => "NotAllowedError";
  await begin("provider");
  server.last.snapshot(aView({ name: "idle" }, "provider"));
  assert.deepEqual(named("enter"), [{ name: "enter" }]);
});

/** Joins as a companion, whom the appointment does not list. */
async function accompany(role: Role, stage: Stage = { name: "preparing" }, backend: View["backend"] = "embedded"): Promise<void> {
  await begin("patient", "c");
  const { you, others, ...view } = aView(stage);
  const self = aCompanion("c", role, stage.name === "preparing" ? { presence: { name: "preparing", since: 1 } } : {});
  server.last.snapshot({ ...view, backend, you: self, others: [...others, you] });
  await settle();
}

test("a guest is asked for their devices once the server has said what they are, and comes in", async () => {
  await begin("patient", "c");
  assert.deepEqual([store.state.part, devices.asked.length], [null, 0]);
  store.close();
  await accompany("guest");
  assert.deepEqual([store.state.part, devices.asked.length], ["guest", 1]);
  assert.deepEqual(named("enter"), [{ name: "enter" }]);
});

test("an observer is asked for nothing, comes in, and sends nothing", async () => {
  await accompany("observer", { name: "connected", since: 1 });
  assert.deepEqual(devices.asked, []);
  assert.deepEqual(named("enter"), [{ name: "enter" }]);
  const { present, connected, microphone, camera, people } = wishes.at(-1) ?? assert.fail();
  assert.deepEqual({ present, connected, microphone, camera, people }, { present: true, connected: true, microphone: null, camera: null, people: 2 });
  await clock.pass(60_000);
  assert.deepEqual(devices.asked, []);
});

test("media sections are requested for participants who may be heard and seen", async () => {
  await begin();
  const view = aView();
  server.last.snapshot({ ...view, others: [...view.others, aCompanion("i", "interpreter"), aCompanion("o", "observer")] });
  assert.equal(wishes.at(-1)?.people, 2);
});

test("a provider who calls is with companions who came before the patient", async () => {
  await begin("provider");
  const calling: Stage = { name: "calling", since: 1, until: null };
  const view = aView(calling, "provider");
  server.last.snapshot(view);
  assert.equal(wishes.at(-1)?.connected, false);
  server.last.snapshot({ ...view, others: [...view.others, aCompanion("i", "interpreter")] });
  assert.equal(wishes.at(-1)?.connected, true);
  server.last.snapshot({ ...view, others: [...view.others, aCompanion("i", "interpreter", { presence: { name: "left", at: 2 } })] });
  assert.equal(wishes.at(-1)?.connected, false);
});

test("a companion is not in a call that another service carries for two", async () => {
  await accompany("guest", { name: "connected", since: 1 }, "cometchat");
  assert.equal(store.scene, "apart");
  assert.deepEqual([devices.asked.length, named("enter"), wishes.length], [0, [], 0]);
  server.last.say({ type: "changed", sequence: 2, changes: [{ name: "backend", backend: "embedded" }] });
  await settle();
  assert.equal(store.scene, "connected");
  assert.equal(wishes.at(-1)?.connected, true);
});

test("muting takes effect immediately, locally and on the server", async () => {
  await begin();
  you({});
  store.publish({ microphone: false });
  assert.equal(store.state.capture.microphone?.enabled, false);
  assert.deepEqual(named("set_media"), [{ name: "set_media", ...OFF }]);
});

test("a camera that is off is not sent", async () => {
  await begin();
  you({});
  assert.notEqual(wishes.at(-1)?.camera, null);
  store.publish({ camera: false });
  assert.equal(wishes.at(-1)?.camera, null);
  assert.notEqual(wishes.at(-1)?.microphone, null);
});

test("the server's mute outlives a reload", async () => {
  await begin();
  you(OFF);
  assert.deepEqual(store.state.published, OFF);
  assert.equal(store.state.capture.microphone?.enabled, false);
  assert.deepEqual(named("set_media"), []);
});

test("a mute the server has not heard of outlives a reconnect", async () => {
  await begin();
  you({});
  store.publish({ microphone: false });
  await reconnect({});
  assert.deepEqual(store.state.published, OFF);
  assert.deepEqual(named("set_media"), [{ name: "set_media", ...OFF }]);
});

test("an unmute the server has not heard of does not outlive a reconnect", async () => {
  await begin();
  you(OFF);
  store.publish({ microphone: true });
  await reconnect(OFF);
  assert.deepEqual(store.state.published, OFF);
  assert.deepEqual(named("set_media"), []);
  assert.equal(store.state.capture.microphone?.enabled, false);
});

test("nothing opens while the server is out of reach, and everything closes", async () => {
  await begin();
  you({});
  server.last.drop();
  store.publish({ microphone: false });
  assert.deepEqual(store.state.published, OFF);
  store.publish({ microphone: true });
  assert.deepEqual(store.state.published, OFF);
});

test("an echo of an older choice does not undo a newer one", async () => {
  await begin();
  you({});
  store.publish({ microphone: false });
  store.publish({ microphone: true });
  const muted = aView(undefined, "patient", OFF).you;
  server.last.say({ type: "changed", sequence: 2, changes: [{ name: "you", you: muted }] });
  assert.equal(store.state.published.microphone, true);
  server.last.acknowledge();
  server.last.say({ type: "changed", sequence: 3, changes: [{ name: "you", you: { ...muted, microphone: true } }] });
  assert.equal(store.state.published.microphone, true);
});

test("no other command than a click's widens, over any run of reconnects", async () => {
  await begin();
  you({});
  store.publish({ microphone: false, camera: false });
  for (const server_says of [{}, OFF, { microphone: true, camera: false }, {}]) {
    await reconnect(server_says);
    assert.deepEqual(store.state.published, { microphone: false, camera: false });
    const sent = named("set_media").at(-1);
    assert.deepEqual(sent, { name: "set_media", microphone: false, camera: false });
  }
});

test("who left is not filmed, and comes back with one click", async () => {
  await begin();
  you({});
  store.act("leave");
  server.last.acknowledge();
  server.last.say({ type: "changed", sequence: 2, changes: [{ name: "stage", stage: { name: "left", at: 9 } }] });
  assert.equal(store.state.capture.status, "idle");
  assert.equal(wishes.at(-1)?.present, false);
  store.act("rejoin");
  await settle();
  server.last.acknowledge();
  await settle();
  assert.equal(store.state.capture.status, "ready");
  server.last.say({ type: "changed", sequence: 3, changes: [{ name: "stage", stage: { name: "waiting", since: 9 } }] });
  assert.equal(wishes.at(-1)?.present, true);
});

test("after the end a participant rejoins only by their own click", async () => {
  await begin();
  you({}, { name: "ended", at: 9, reason: "ended" });
  assert.equal(store.state.capture.status, "idle");
  server.last.say({ type: "changed", sequence: 2, changes: [{ name: "stage", stage: { name: "called", since: 9 } }] });
  await settle();
  assert.equal(store.state.capture.status, "idle");
  assert.deepEqual(named("enter"), []);
  store.act("rejoin");
  await settle();
  assert.equal(store.state.capture.status, "ready");
});

test("declining keeps the camera off until the patient joins after all", async () => {
  devices.fault = () => "NotReadableError";
  await begin();
  you({}, { name: "called", since: 1 });
  store.act("decline");
  assert.equal(store.state.here, false);
  assert.equal(store.state.declined, true);
  store.act("rejoin");
  assert.equal(store.state.here, true);
  assert.equal(store.state.declined, false);
});

test("a seat that moved lets go of the camera; using it here takes it again", async () => {
  await begin();
  you({});
  server.last.say({ type: "moved" });
  assert.equal(store.scene, "moved");
  assert.equal(store.state.capture.status, "idle");
  store.useHere();
  you({});
  await settle();
  assert.equal(store.state.capture.status, "ready");
  assert.deepEqual(named("enter"), [{ name: "enter" }]);
});

test("continuing without a camera is sent to the server, a missing camera is not", async () => {
  devices.fault = ({ video }) => (video === false ? null : "NotReadableError");
  await begin();
  you({});
  assert.deepEqual(named("set_media"), []);
  await store.capture.acceptSoundOnly();
  assert.deepEqual(named("set_media"), [{ name: "set_media", microphone: true, camera: false }]);
});

test("what the page finds out is reported, once each", async () => {
  await begin();
  you({});
  store.noteHeard();
  store.noteHeard();
  const checks = named("report_check");
  assert.deepEqual(checks.at(-1), {
    name: "report_check",
    check: { browser: "works", camera: "works", microphone: "works", heard: true, seen: false },
  });
  assert.equal(new Set(checks.map((check) => JSON.stringify(check))).size, checks.length);
});

/** Answers the last chat message. */
function refuse(refusal: Refusal): void {
  const said = server.last.sent.filter((message) => message.type === "command" && message.command.name === "say").at(-1);
  assert.ok(said?.type === "command");
  server.last.say({ type: "refused", id: said.id, refusal });
}

test("a message that is refused is shown as not sent, with its text, whatever the reason", async () => {
  await begin();
  you({});
  for (const refusal of ["malformed", "not_now", "full", "not_saved"] as const) {
    store.say(`text of ${refusal}`);
    assert.equal(store.state.busy.has("say"), true);
    refuse(refusal);
    assert.equal(store.state.busy.has("say"), false, "it is not being sent for good");
    assert.deepEqual(store.state.unsent.at(-1), { text: `text of ${refusal}`, refusal });
  }
  assert.equal(store.state.refusal, null);
  const [first] = store.state.unsent;
  assert.ok(first);
  store.drop(first);
  store.say(first.text);
  assert.deepEqual(store.state.unsent.map(({ refusal }) => refusal), ["not_now", "full", "not_saved"]);
  assert.deepEqual(named("say").at(-1), { name: "say", text: "text of malformed" });
});

test("a camera or a microphone works once it was seen or heard, and another one has to show it anew", async () => {
  await begin();
  you({});
  const last = (): unknown => named("report_check").at(-1);
  const check = { browser: "works", camera: "works", microphone: "works", heard: false, seen: false };
  assert.deepEqual(last(), { name: "report_check", check });
  store.noteLight("dark");
  assert.deepEqual(last(), { name: "report_check", check });
  store.noteLight("seen");
  store.noteHeard();
  assert.deepEqual(last(), { name: "report_check", check: { ...check, heard: true, seen: true } });
  await store.capture.choose({ camera: "c2", microphone: "m2" });
  await settle();
  assert.deepEqual(last(), { name: "report_check", check });
});

test("a visit that is not open yet is retried until it is", async () => {
  await begin();
  server.last.snapshot(aView({ name: "preparing" }));
  const [first] = server.last.sent;
  assert.ok(first?.type === "command");
  server.last.say({ type: "refused", id: first.id, refusal: "too_early" });
  assert.equal(store.state.door, "too_early");
  for (let turn = 0; turn < 3; turn++) {
    await clock.pass(5_000);
    server.last.say({ type: "pong" });
  }
  assert.equal(named("enter").length, 2);
  server.last.acknowledge();
  assert.equal(store.state.door, null);
});

test("a missing appointment is a problem, an absent clinic is tried again", async () => {
  answer = async () => {
    throw new Problem(404, "Not found", "");
  };
  await begin();
  assert.equal(store.scene, "problem");
  await clock.pass(60_000);
  assert.equal(server.sockets.length, 0);
  answer = async () => {
    throw new Problem(0, "", "");
  };
  await store.start();
  answer = async () => APPOINTMENT;
  await clock.pass(10_000);
  assert.ok(server.sockets.length > 0);
});

test("a session that ended while the page was away is found out", async () => {
  await begin();
  you({});
  answer = async () => {
    throw new Problem(401, "", "");
  };
  for (let turn = 0; turn < 5; turn++) {
    server.last.drop();
    await clock.pass(5_000);
  }
  assert.equal(store.scene, "signed_out");
  assert.equal(store.state.capture.status, "idle");
});

test("a page whose connection dropped is told that the appointment was cancelled", async () => {
  await begin();
  you({});
  answer = async () => ({ ...APPOINTMENT, status: "cancelled" });
  server.last.drop(4403);
  await settle();
  assert.equal(store.scene, "refused");
  assert.match(store.state.problem?.title ?? "", /cancelled/);
  assert.match(store.state.problem?.detail ?? "", /ask your clinic/);
});

test("a click's button is busy until its answer", async () => {
  await begin("provider");
  server.last.snapshot(aView({ name: "idle" }, "provider"));
  store.act("start");
  assert.equal(store.state.busy.has("start"), true);
  server.last.acknowledge();
  assert.equal(store.state.busy.has("start"), false);
});
