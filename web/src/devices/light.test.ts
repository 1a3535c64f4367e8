import assert from "node:assert/strict";
import { test } from "node:test";

import { isLit } from "./light.ts";

function picture(points: number[]): Uint8ClampedArray {
  return new Uint8ClampedArray(points.flatMap((brightness) => [brightness, brightness, brightness, 255]));
}

test("a camera works once its picture shows something, and a dark one is not called broken or working", () => {
  assert.equal(isLit(picture(Array<number>(576).fill(0))), false);
  assert.equal(isLit(picture(Array<number>(576).fill(16))), false, "black, as video has it");
  assert.equal(isLit(picture([200, ...Array<number>(575).fill(10)])), false, "one bright point is noise");
  assert.equal(isLit(picture([...Array<number>(30).fill(60), ...Array<number>(546).fill(5)])), true, "a lamp in a dark room");
  assert.equal(isLit(picture([])), false);
});
