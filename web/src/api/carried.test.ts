import assert from "node:assert/strict";
import { test } from "node:test";

import { carried } from "./appointment.ts";

function page(text: string | null): ParentNode {
  return { querySelector: () => (text === null ? null : { textContent: text }) } as unknown as ParentNode;
}

test("a page's own appointment is taken, and no other", () => {
  assert.equal(carried(page('{"id":"a1","type":"Visit"}'), "a1")?.type, "Visit");
  for (const text of ['{"id":"a2"}', "", "{", "null", null]) assert.equal(carried(page(text), "a1"), undefined);
});
