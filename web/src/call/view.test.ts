import assert from "node:assert/strict";
import { test } from "node:test";

import type { ParticipantView } from "../signalling/messages.ts";
import { aView } from "../testing/views.ts";
import { initials } from "../words/time.ts";
import { apply, shown } from "./view.ts";

test("each change replaces its part and nothing else", () => {
  const old = aView();
  const stage = { name: "connected", since: 9 } as const;
  assert.deepEqual(apply(old, { name: "stage", stage }), { ...old, stage });
  assert.deepEqual(apply(old, { name: "visit", visit: "w" }), { ...old, visit: "w" });
  const you = { ...old.you, camera: false };
  assert.deepEqual(apply(old, { name: "you", you }), { ...old, you });
  const other = { ...shown(old).other, media: true };
  assert.deepEqual(apply(old, { name: "other", other }), { ...old, others: [other] });
  const guest = { ...other, user: "g", role: "guest" } as const;
  assert.deepEqual(apply(old, { name: "other", other: guest }), { ...old, others: [...old.others, guest] });
  const message = { number: 1, from: "p", at: 3, text: "Hello" };
  assert.deepEqual(apply(old, { name: "said", message }), { ...old, messages: [message] });
  assert.deepEqual(apply({ ...old, messages: [message] }, { name: "visit", visit: "w" }).messages, []);
  assert.deepEqual(old, aView());
});

test("a name that is written from right to left keeps to itself, and its letters stand for it", () => {
  const view = aView();
  const [other] = view.others as [ParticipantView];
  const once = shown({ ...view, others: [{ ...other, name: "עדה לאבלייס" }] });
  assert.equal(once.other.name, "\u2068עדה לאבלייס\u2069");
  assert.deepEqual(shown(once), once, "once");
  assert.equal(shown(view).other.name, "Dr. Okafor");
  assert.equal(initials(once.other.name), "על");
});
