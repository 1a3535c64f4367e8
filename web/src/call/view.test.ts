import assert from "node:assert/strict";
import { test } from "node:test";

import { aView } from "../testing/views.ts";
import { apply } from "./view.ts";

test("each change replaces its part and nothing else", () => {
  const old = aView();
  const stage = { name: "connected", since: 9 } as const;
  assert.deepEqual(apply(old, { name: "stage", stage }), { ...old, stage });
  assert.deepEqual(apply(old, { name: "visit", visit: "w" }), { ...old, visit: "w" });
  const you = { ...old.you, camera: false };
  assert.deepEqual(apply(old, { name: "you", you }), { ...old, you });
  const other = { ...old.other, media: true };
  assert.deepEqual(apply(old, { name: "other", other }), { ...old, other });
  assert.deepEqual(old, aView());
});
