import assert from "node:assert/strict";
import { test } from "node:test";

import { still } from "./remote.ts";

test("a picture stands still when its count of frames does, and only where frames are counted", () => {
  assert.equal(still(0, 40, 55, true), 0);
  assert.equal(still(2, 55, 55, true), 3);
  assert.equal(still(2, 55, 55, false), 0, "a hidden page draws nothing");
  assert.equal(still(2, 0, 0, true), 0, "Firefox without a window counts none of a live stream");
  assert.equal(still(3, 55, 56, true), 0);
});
