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
  const said = (name: string, action: "sign-in" | "add"): string => sentence(new DOMException("no", name), action);
  assert.match(said("NotAllowedError", "sign-in"), /^No passkey was used.*PIN/);
  assert.match(said("NotAllowedError", "add"), /PIN.*free space.*U2F/);
  assert.match(said("InvalidStateError", "add"), /already/);
  assert.match(said("ConstraintError", "add"), /can't hold a passkey/);
  assert.match(said("SecurityError", "sign-in"), /address/);
  assert.match(said("UnknownError", "sign-in"), /didn't answer/);
  assert.match(sentence(new TypeError("fetch"), "sign-in"), /connection/);
  const names = ["NotAllowedError", "InvalidStateError", "ConstraintError", "SecurityError", "UnknownError", "AbortError"];
  assert.equal(new Set(names.map((name) => said(name, "add"))).size, names.length, "each in words of its own");
});
