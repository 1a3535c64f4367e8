import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeClock, settle } from "../../testing/clock.ts";
import type { Order, Report } from "./protocol.ts";
import { CometChatSession, type Wish } from "./session.ts";

const OPEN = { microphone: true, camera: true };

/** A session with a simulated document. */
class Scene {
  readonly clock = new FakeClock();
  readonly orders: Order[] = [];
  tokens: boolean[] = [];
  strangers = 0;
  loads = 0;
  loaded = false;
  tokenFails = false;
  readonly session: CometChatSession;

  constructor(calls: boolean) {
    const [self, other] = calls ? ["doctor", "patient"] : ["patient", "doctor"];
    const app = { appId: "app", region: "us", clientHost: null };
    this.session = new CometChatSession(
      { self, other, calls, ringSeconds: 45, app },
      {
        clock: this.clock,
        random: () => 0.5,
        load: () => {
          this.loads += 1;
          this.loaded = true;
        },
        unload: () => (this.loaded = false),
        order: (order) => this.orders.push(order),
        token: async (fresh) => {
          this.tokens.push(fresh);
          if (this.tokenFails) throw new Error("no token");
          return fresh ? "fresh" : "token";
        },
        stranger: () => (this.strangers += 1),
        changed: () => {},
      },
    );
  }

  wish(wish: Partial<Wish>): void {
    this.session.update({ present: true, connected: false, otherReady: true, media: OPEN, ...wish });
  }

  say(...reports: Report[]): void {
    for (const report of reports) this.session.receive(report);
  }

  /** Returns the orders since the last call. */
  taken(): Order[] {
    return this.orders.splice(0);
  }

  types(): string[] {
    return this.taken().map(({ type }) => type);
  }

  async arrived(): Promise<this> {
    this.wish({});
    this.say({ type: "ready" });
    await settle();
    this.say({ type: "signed_in" });
    this.taken();
    return this;
  }

  /** In a call with the other participant. */
  async together(session = "s1"): Promise<this> {
    await this.arrived();
    this.wish({ connected: true });
    if (this.taken()[0]?.type === "call") {
      this.say({ type: "calling", attempt: 1, session }, { type: "accepted", session, initiator: "doctor" });
    } else {
      this.say({ type: "incoming", session, from: "doctor" }, { type: "accepted", session, initiator: "doctor" });
    }
    this.say({ type: "joined", session }, { type: "others", session, count: 1 });
    this.taken();
    assert.equal(this.session.link, "up");
    assert.ok(this.session.shows);
    return this;
  }
}

test("a person signs in as soon as they are present, and the line is ready before the start", async () => {
  const scene = new Scene(true);
  scene.wish({});
  assert.equal(scene.loads, 1);
  assert.equal(scene.session.link, "connecting");
  scene.say({ type: "ready" });
  await settle();
  assert.deepEqual(scene.taken(), [{ type: "sign_in", app: { appId: "app", region: "us", clientHost: null }, uid: "doctor", token: "token" }]);
  scene.say({ type: "signed_in" });
  assert.equal(scene.session.link, "up");
  assert.deepEqual(scene.types(), [], "no call is placed before the server says so");
});

test("the provider's side calls, and joins once the patient has answered", async () => {
  const scene = await new Scene(true).arrived();
  scene.wish({ connected: true });
  assert.deepEqual(scene.taken(), [{ type: "call", attempt: 1, to: "patient", ringSeconds: 10 }]);
  scene.say({ type: "calling", attempt: 1, session: "s1" }, { type: "accepted", session: "s1", initiator: "doctor" });
  assert.deepEqual(scene.taken(), [{ type: "join", session: "s1", media: OPEN }]);
  scene.say({ type: "joined", session: "s1" }, { type: "others", session: "s1", count: 1 });
  assert.equal(scene.session.link, "up");
});

test("a call is placed only to a participant who can hear it", async () => {
  const scene = await new Scene(true).arrived();
  scene.wish({ connected: true, otherReady: false });
  assert.deepEqual(scene.types(), []);
  scene.wish({ connected: true, otherReady: true });
  assert.deepEqual(scene.types(), ["call"]);
});

test("a ring that one of the two cannot have heard is not waited for", async () => {
  for (const deaf of ["other", "own"]) {
    const scene = await new Scene(true).arrived();
    scene.wish({ connected: true });
    scene.say({ type: "calling", attempt: 1, session: "s1" });
    scene.taken();
    if (deaf === "other") scene.wish({ connected: true, otherReady: false });
    else scene.say({ type: "line", up: false });
    assert.deepEqual(scene.types(), []);
    if (deaf === "other") scene.wish({ connected: true, otherReady: true });
    else scene.say({ type: "line", up: true });
    assert.deepEqual(scene.types(), ["leave"], deaf);
  }
});

test("a side is ready while it hears calls, or is in one", async () => {
  const scene = new Scene(false);
  assert.equal(scene.session.ready, false);
  await scene.arrived();
  assert.equal(scene.session.ready, true);
  scene.say({ type: "line", up: false });
  assert.equal(scene.session.ready, false);
  scene.say({ type: "line", up: true });
  scene.wish({ connected: true });
  assert.equal(scene.session.ready, true, "it waits for the call");
  scene.say({ type: "incoming", session: "s1", from: "doctor" }, { type: "accepted", session: "s1", initiator: "doctor" });
  scene.say({ type: "joined", session: "s1" }, { type: "line", up: false });
  assert.equal(scene.session.ready, true, "what runs does not need the line");
});

test("the patient's side answers the provider, and no other caller", async () => {
  const scene = await new Scene(false).arrived();
  scene.wish({ connected: true });
  scene.say({ type: "incoming", session: "s0", from: "stranger" });
  assert.deepEqual(scene.taken(), [{ type: "refuse", session: "s0" }]);
  assert.equal(scene.strangers, 1);
  scene.say({ type: "incoming", session: "s1", from: "doctor" });
  assert.deepEqual(scene.taken(), [{ type: "accept", session: "s1" }]);
});

test("a call that comes before the server's word waits for it", async () => {
  const scene = await new Scene(false).arrived();
  scene.say({ type: "incoming", session: "s1", from: "doctor" });
  assert.deepEqual(scene.types(), []);
  scene.wish({ connected: true });
  assert.deepEqual(scene.types(), ["accept"]);
});

test("a call that was withdrawn meanwhile is not answered", async () => {
  const scene = await new Scene(false).arrived();
  scene.say({ type: "incoming", session: "s1", from: "doctor" }, { type: "withdrawn", session: "s1" });
  scene.wish({ connected: true });
  assert.deepEqual(scene.types(), []);
});

test("another tab's answered call is not joined here", async () => {
  const scene = await new Scene(false).arrived();
  scene.wish({ connected: true });
  scene.say({ type: "accepted", session: "s9", initiator: "doctor" });
  assert.deepEqual(scene.types(), []);
});

test("an unanswered call is placed again while both are in the visit", async () => {
  const scene = await new Scene(true).arrived();
  scene.wish({ connected: true });
  scene.say({ type: "calling", attempt: 1, session: "s1" });
  scene.taken();
  scene.say({ type: "unanswered", session: "s1" });
  assert.deepEqual(scene.types(), ["leave"]);
  scene.say({ type: "left" });
  assert.deepEqual(scene.taken(), [{ type: "call", attempt: 2, to: "patient", ringSeconds: 10 }]);
});

test("a stale call of a page that crashed is cleared, and the call placed again", async () => {
  const scene = await new Scene(true).arrived();
  scene.wish({ connected: true });
  scene.taken();
  scene.say({ type: "failed", order: "call", code: "CALL_ALREADY_INITIATED", message: "" });
  await scene.clock.pass(2_000);
  assert.deepEqual(scene.types(), ["leave"]);
  scene.say({ type: "left" });
  assert.deepEqual(scene.types(), ["call"]);
});

test("a revoked login, or a person who was deleted there, gets a token that is new, and goes on", async () => {
  for (const code of ["AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_UID_NOT_FOUND"]) {
    const scene = await new Scene(true).arrived();
    scene.wish({ connected: true });
    scene.taken();
    scene.say({ type: "failed", order: "call", code, message: "" });
    await settle();
    assert.equal(scene.tokens.at(-1), true);
    assert.deepEqual(scene.types(), ["sign_in"]);
    scene.say({ type: "signed_in" });
    assert.deepEqual(scene.types(), ["call"]);
  }
});

test("the end of the visit ends the call, and the report of that is ignored", async () => {
  const scene = await new Scene(false).together();
  scene.wish({ connected: false });
  assert.deepEqual(scene.types(), ["leave"]);
  scene.say({ type: "left" }, { type: "ended", session: "s1" });
  assert.deepEqual(scene.types(), []);
  assert.equal(scene.session.link, "up", "ready for the next one");
  scene.wish({ present: false });
  assert.equal(scene.loaded, false, "camera and microphone go with the document");
});

test("a patient who is gone from the call is called again, after a moment", async () => {
  const scene = await new Scene(true).together();
  scene.say({ type: "others", session: "s1", count: 0 });
  await scene.clock.pass(2_900);
  assert.deepEqual(scene.types(), []);
  await scene.clock.pass(200);
  assert.deepEqual(scene.types(), ["leave"]);
  scene.say({ type: "left" });
  assert.deepEqual(scene.types(), ["call"]);
});

test("a patient who comes back in time is not", async () => {
  const scene = await new Scene(true).together();
  scene.say({ type: "others", session: "s1", count: 0 }, { type: "others", session: "s1", count: 1 });
  await scene.clock.pass(60_000);
  assert.deepEqual(scene.types(), []);
});

test("a provider whose page begins anew calls anew, and the patient follows", async () => {
  const scene = await new Scene(false).together();
  scene.say({ type: "incoming", session: "s2", from: "doctor" });
  assert.deepEqual(scene.types(), ["leave"]);
  scene.say({ type: "left" });
  assert.deepEqual(scene.taken(), [{ type: "accept", session: "s2" }]);
});

test("events that come twice or late change nothing", async () => {
  const scene = await new Scene(false).together("s1");
  scene.say({ type: "accepted", session: "s1", initiator: "doctor" }, { type: "joined", session: "s1" });
  assert.deepEqual(scene.types(), []);
  scene.say({ type: "ended", session: "s1" }, { type: "ended", session: "s1" }, { type: "left" });
  scene.say({ type: "incoming", session: "s1", from: "doctor" });
  assert.deepEqual(scene.types(), ["leave"], "that one is over");
});

test("muting goes there; so does what changed on the way in", async () => {
  const scene = await new Scene(false).together();
  scene.wish({ connected: true, media: { microphone: false, camera: true } });
  assert.deepEqual(scene.taken(), [{ type: "publish", media: { microphone: false, camera: true } }]);
  scene.wish({ connected: true, media: { microphone: false, camera: true } });
  assert.deepEqual(scene.taken(), []);
});

test("a document that says nothing is made anew, without end", async () => {
  const scene = new Scene(true);
  scene.wish({});
  for (let time = 0; time < 10; time++) await scene.clock.pass(60_000);
  assert.ok(scene.loads > 5, `${scene.loads}`);
  assert.equal(scene.session.link, "lost");
  assert.equal(scene.session.trouble, "TIMEOUT");
});

test("without a token the person is told, and it is tried again", async () => {
  const scene = new Scene(true);
  scene.tokenFails = true;
  scene.wish({});
  scene.say({ type: "ready" });
  await settle();
  assert.equal(scene.session.trouble, "NO_TOKEN");
  scene.tokenFails = false;
  await scene.clock.pass(10_000);
  scene.say({ type: "ready" });
  await settle();
  scene.say({ type: "signed_in" });
  assert.equal(scene.session.trouble, null);
  assert.equal(scene.session.link, "up");
});
