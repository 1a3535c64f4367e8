import assert from "node:assert/strict";
import { test } from "node:test";

import { sentence, toBytes, toText } from "./passkeys.ts";

test("bytes are written for the server and read again", () => {
  for (let length = 0; length < 40; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 83 + 251) % 256);
    const text = toText(bytes.buffer);
    assert.match(text, /^[A-Za-z0-9_-]*$/);
    assert.deepEqual(toBytes(text), bytes);
  }
  assert.equal(toText(Uint8Array.of(255, 254, 253).buffer), "__79");
});

test("what a browser throws is said in words", () => {
  assert.match(sentence(new DOMException("no", "NotAllowedError")), /^No passkey was chosen/);
  assert.match(sentence(new DOMException("no", "InvalidStateError")), /already/);
  assert.match(sentence(new TypeError("fetch")), /connection/);
});
