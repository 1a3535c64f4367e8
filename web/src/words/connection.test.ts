import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_MEDIA, NO_PATH, type MediaState } from "../call/backend.ts";
import type { CallState } from "../call/state.ts";
import { shown } from "../call/view.ts";
import { aView } from "../testing/views.ts";
import type { Role } from "../signalling/messages.ts";
import { connectionWords, waitingWords } from "./connection.ts";
import { noPath } from "./faults.ts";
import { announcement } from "./scenes.ts";

const GOOD = { sound: "good", picture: "good" } as const;
const UP: Partial<MediaState> = { link: "up", quality: { you: GOOD, other: GOOD } };

/** In the call; `other` is whether the other participant's media has reached the server. */
function inCall(role: Role, media: Partial<MediaState>, other: boolean): CallState {
  const view = shown(aView({ name: "connected", since: 1 }, role));
  view.other = { ...view.other, media: other };
  return { role, view, media: { ...NO_MEDIA, ...media }, transport: "open", lent: false } as unknown as CallState;
}

test("a page says that it is connected once media can flow between the two", () => {
  const said = (media: Partial<MediaState>, other: boolean): string => announcement(inCall("patient", media, other), "connected", "Dr. Okafor");
  assert.equal(said({ link: "connecting" }, true), "Connecting you with Dr. Okafor.");
  assert.equal(said(UP, false), "Connecting you with Dr. Okafor.");
  assert.equal(said(UP, true), "You're connected with Dr. Okafor.");
  assert.match(said({ link: "connecting", trouble: NO_PATH }, true), /^Sound and picture can't get through yet\. Open Help/);
});

test("the word on a connection is true before there is one, and names the side that is silent", () => {
  const word = (role: Role, media: Partial<MediaState>, other: boolean): string => connectionWords(inCall(role, media, other), "connected").words;
  assert.equal(word("provider", { link: "connecting" }, true), "Connecting…");
  assert.equal(word("provider", { link: "lost" }, true), "Lost");
  assert.equal(word("provider", UP, false), "Not connected");
  assert.equal(word("patient", UP, true), "Good");
  const silent = { ...UP, quality: { you: GOOD, other: { sound: "good", picture: "lost" } } } as Partial<MediaState>;
  assert.equal(word("patient", silent, true), "No picture arriving");
  const held = { ...UP, quality: { you: { sound: "lost", picture: "good" }, other: GOOD } } as Partial<MediaState>;
  assert.equal(word("provider", held, true), "Your sound doesn't get through");
});

test("in the place of a picture it is said whose connection is missing", () => {
  assert.equal(waitingWords(inCall("patient", { link: "connecting" }, true), "Rosa")?.words, "Connecting you with Rosa…");
  assert.match(waitingWords(inCall("provider", UP, false), "Rosa")?.more ?? "", /telephone/);
  assert.equal(waitingWords(inCall("provider", UP, true), "Rosa"), null);
});

test("Firefox names its own setting", () => {
  assert.ok(noPath("firefox").steps.some((step) => step.includes("media.peerconnection.ice.proxy_only")));
  assert.ok(!noPath("chrome").steps.some((step) => step.includes("about:config")));
});
