import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { offerJoin } from "./join.ts";

const form = { hidden: true, dataset: { script: "/assets/visit.js" } };
let shown: Set<string>;
let slow: boolean;

beforeEach(() => {
  form.hidden = true;
  shown = new Set(["wait", "slow"]);
  slow = false;
});

function part(name: "wait" | "slow"): object {
  return { remove: () => shown.delete(name), classList: { remove: () => (slow = true) } };
}

const page = {
  querySelector: (selector: string) => (selector.startsWith("form") ? form : part(selector.includes("wait") ? "wait" : "slow")),
  querySelectorAll: () => [part("wait"), part("slow")],
} as unknown as ParentNode;

test("a link can be joined once the call's script has run", async () => {
  const asked: string[] = [];
  await offerJoin(page, async (address) => asked.push(address));
  assert.deepEqual(asked, ["/assets/visit.js"]);
  assert.equal(form.hidden, false);
  assert.deepEqual([...shown], []);
});

test("a link cannot be joined where the call's script does not run, and the page says so at once", async () => {
  await offerJoin(page, async () => {
    throw new SyntaxError("an older engine");
  });
  assert.equal(form.hidden, true);
  assert.deepEqual([...shown], ["slow"]);
  assert.equal(slow, true);
});

test("a page without a link has nothing to join", async () => {
  await offerJoin({ querySelector: () => null } as unknown as ParentNode, async () => assert.fail("nothing is loaded"));
});
