import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeClock, settle } from "../testing/clock.ts";
import type { FaultKind } from "./fault.ts";
import { type Health, Recovery } from "./recovery.ts";

let clock: FakeClock;
let health: Health;
let attempts: number;
let answer: () => Promise<FaultKind | null>;
let recovery: Recovery;

beforeEach(() => {
  clock = new FakeClock();
  health = "live";
  attempts = 0;
  answer = async () => {
    health = "live";
    return null;
  };
  recovery = new Recovery({
    clock,
    health: () => health,
    rebuild: () => {
      attempts += 1;
      return answer();
    },
    changed: () => {},
  });
});

function befalls(next: Health): void {
  health = next;
  recovery.look();
}

const refuses = (kind: FaultKind) => async (): Promise<FaultKind> => kind;

test("a track that comes back within a second is neither requested again nor reported", async () => {
  befalls("muted");
  await clock.pass(900);
  assert.equal(recovery.word, "live");
  befalls("live");
  await clock.pass(5_000);
  assert.deepEqual([attempts, recovery.asks, recovery.word], [0, false, "live"]);
});

test("a track that stays muted is replaced automatically", async () => {
  befalls("muted");
  await clock.pass(1_000);
  assert.deepEqual([attempts, recovery.asks, recovery.word], [1, false, "live"]);
});

test("a device that is gone is replaced at once", async () => {
  answer = () => new Promise(() => {});
  befalls("ended");
  assert.deepEqual([attempts, recovery.word, recovery.asks], [1, "lost", false]);
});

test("what needs a tap asks for one, and the tap brings it back", async () => {
  const brings = answer;
  answer = refuses("denied");
  befalls("muted");
  await clock.pass(1_000);
  assert.deepEqual([recovery.asks, recovery.word, recovery.failure], [true, "blocked", null]);
  answer = brings;
  recovery.tap();
  assert.equal(recovery.busy, true);
  await settle();
  assert.deepEqual([attempts, recovery.asks, recovery.word], [2, false, "live"]);
});

test("a tap that does not help says why, and the person may go on without", async () => {
  answer = refuses("in_use");
  befalls("muted");
  await clock.pass(1_000);
  recovery.tap();
  await settle();
  assert.deepEqual([recovery.asks, recovery.failure], [true, "in_use"]);
  recovery.accept();
  assert.deepEqual([recovery.asks, recovery.word], [false, "interrupted"]);
  recovery.look();
  assert.equal(recovery.asks, false);
  befalls("live");
  assert.equal(recovery.word, "live");
});

test("a call that is over while its tap is waited for needs none", async () => {
  const brings = answer;
  answer = refuses("in_use");
  befalls("ended");
  await settle();
  assert.equal(recovery.asks, true);
  await clock.pass(4_000);
  assert.deepEqual([attempts, recovery.asks, recovery.busy, recovery.word], [2, true, false, "blocked"]);
  answer = brings;
  await clock.pass(4_000);
  assert.deepEqual([attempts, recovery.asks, recovery.word], [3, false, "live"]);
});

test("a no is not asked again without the person", async () => {
  answer = refuses("denied");
  befalls("ended");
  await clock.pass(60_000);
  assert.deepEqual([attempts, recovery.asks], [1, true]);
});

test("a new track that stays silent is not taken for a recovery", async () => {
  answer = async () => null;
  befalls("muted");
  await clock.pass(1_500);
  assert.deepEqual([recovery.asks, recovery.word], [false, "interrupted"]);
  await clock.pass(600);
  assert.deepEqual([recovery.asks, recovery.failure, recovery.word], [true, null, "blocked"]);
  recovery.tap();
  await clock.pass(1_100);
  assert.equal(recovery.failure, "in_use");
});

test("nothing is tried or asked while the page is hidden, and all is tried anew after", async () => {
  answer = refuses("denied");
  befalls("muted");
  await clock.pass(1_000);
  recovery.tap();
  await settle();
  recovery.show(false);
  assert.deepEqual([recovery.asks, recovery.word], [false, "hidden"]);
  await clock.pass(60_000);
  assert.equal(attempts, 2);
  recovery.show(true);
  assert.equal(recovery.asks, false);
  await clock.pass(1_000);
  assert.deepEqual([attempts, recovery.asks, recovery.failure], [3, true, null]);
});

test("a page that goes on capturing in the background says nothing", async () => {
  recovery.show(false);
  assert.equal(recovery.word, "live");
  befalls("muted");
  assert.equal(recovery.word, "hidden");
  befalls("live");
  recovery.show(true);
  await clock.pass(5_000);
  assert.deepEqual([attempts, recovery.word], [0, "live"]);
});

test("a phone that is locked while it is being asked is asked again after", async () => {
  let refuse: (kind: FaultKind) => void = () => {};
  answer = () => new Promise((resolve) => (refuse = resolve));
  befalls("ended");
  recovery.show(false);
  refuse("denied");
  await settle();
  assert.equal(recovery.word, "hidden");
  recovery.show(true);
  assert.equal(attempts, 2);
});

test("a browser that answers nothing is helped by a tap, and a late answer counts", async () => {
  let give: (kind: null) => void = () => {};
  answer = () => new Promise((resolve) => (give = resolve));
  befalls("ended");
  await clock.pass(5_000);
  assert.equal(recovery.asks, true);
  health = "live";
  give(null);
  recovery.look();
  assert.deepEqual([recovery.asks, recovery.word], [false, "live"]);
});

test("sound that is held back asks for the same tap", () => {
  recovery.sound(true);
  assert.deepEqual([recovery.asks, recovery.soundOnly, recovery.word], [true, true, "live"]);
  recovery.tap();
  assert.equal(attempts, 0);
  recovery.sound(false);
  assert.equal(recovery.asks, false);
  recovery.sound(true);
  recovery.accept();
  assert.deepEqual([recovery.asks, recovery.word], [false, "live"]);
});

test("in any order of events a hidden page asks for nothing, and a live track ends the recovery", async () => {
  let seed = 7;
  const draw = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  const healths: Health[] = ["live", "muted", "ended", "absent"];
  const kinds: (FaultKind | null)[] = [null, "denied", "in_use", "none"];
  for (let run = 0; run < 300; run++) {
    answer = async () => {
      const kind = kinds[draw(4)] ?? null;
      if (kind === null) health = draw(3) === 0 ? "muted" : "live";
      return kind;
    };
    let visible = true;
    for (let step = 0; step < 20; step++) {
      const what = draw(6);
      if (what < 2) befalls(healths[draw(4)] ?? "live");
      else if (what === 2) recovery.show((visible = draw(2) === 0));
      else if (what === 3) recovery.tap();
      else if (what === 4) recovery.accept();
      else await clock.pass(draw(7_000));
      assert.ok(visible || !recovery.asks);
      if (health === "live") {
        recovery.look();
        await settle();
        if (health === "live") assert.equal(recovery.word, "live");
      }
    }
    recovery.show(true);
    befalls("live");
    await clock.pass(10_000);
    befalls("live");
    assert.equal(recovery.asks, false);
  }
});
