import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "./announcer.ts";

function texts(announcer: Announcer, where: "page" | "dialog"): string[] {
  return announcer.heard(where).map(({ text }) => text);
}

test("what is said while a dialog is open is said in the dialog, and once", () => {
  const announcer = new Announcer();
  announcer.say("You're in the waiting room.");
  assert.deepEqual(texts(announcer, "page"), ["You're in the waiting room."]);
  announcer.move("dialog");
  assert.deepEqual(texts(announcer, "dialog"), [], "a dialog begins with nothing");
  announcer.say("Rosa wrote: hello");
  assert.deepEqual([texts(announcer, "page"), texts(announcer, "dialog")], [[], ["Rosa wrote: hello"]]);
  announcer.move("page");
  assert.deepEqual([texts(announcer, "page"), texts(announcer, "dialog")], [[], []]);
  announcer.move("dialog");
  assert.deepEqual(texts(announcer, "dialog"), [], "the next dialog does not repeat it");
});

test("the same text said again is another announcement", () => {
  const announcer = new Announcer();
  announcer.say("Rosa wrote: yes");
  const [first] = announcer.heard("page");
  announcer.region("page");
  announcer.say("Rosa wrote: yes");
  const [second] = announcer.heard("page");
  assert.notEqual(first?.number, second?.number);
  for (let turn = 0; turn < 10; turn++) announcer.say(String(turn));
  assert.deepEqual(texts(announcer, "page"), ["7", "8", "9"], "what is said at once");
  announcer.region("page");
  announcer.say("new");
  assert.deepEqual(texts(announcer, "page"), ["new"], "and not what is not true any more");
});
