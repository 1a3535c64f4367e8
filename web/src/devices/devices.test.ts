import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeDevices } from "../testing/media.ts";
import { type FaultKind, faultKind, inApp, surroundingsFault } from "./fault.ts";
import { DeviceMemory } from "./memory.ts";

test("every error has a kind", () => {
  const kinds: [string, string, FaultKind][] = [
    ["NotAllowedError", "Permission denied", "denied"],
    ["NotAllowedError", "Permission dismissed", "dismissed"],
    ["NotAllowedError", "Permission denied by system", "denied_by_system"],
    ["NotFoundError", "", "none"],
    ["NotReadableError", "", "in_use"],
    ["AbortError", "", "in_use"],
    ["OverconstrainedError", "", "overconstrained"],
    ["SecurityError", "", "insecure"],
    ["WhoKnows", "", "unknown"],
  ];
  for (const [name, message, kind] of kinds) assert.equal(faultKind({ name, message }), kind, `${name} ${message}`);
  for (const nonsense of [null, undefined, "x", 7, {}]) assert.equal(faultKind(nonsense), "unknown");
});

test("surroundings without devices are named before anyone is asked", () => {
  const fine = { secure: true, mediaDevices: true, peerConnection: true, userAgent: "Mozilla/5.0 Chrome/156" };
  assert.equal(surroundingsFault(fine), null);
  assert.equal(surroundingsFault({ ...fine, secure: false, mediaDevices: false }), "insecure");
  assert.equal(surroundingsFault({ ...fine, mediaDevices: false }), "unsupported");
  assert.equal(surroundingsFault({ ...fine, mediaDevices: false, userAgent: "x FBAN/FBIOS" }), "in_app_browser");
  assert.equal(inApp("Mozilla/5.0 (Linux; Android 14; wv) Chrome/130"), true);
});

test("both are had with one question", async () => {
  const devices = new FakeDevices();
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.equal(devices.asked.length, 1);
  assert.equal(capture.state.status, "ready");
  assert.equal(capture.settled, true);
  assert.equal(capture.state.cameras.length, 1);
});

test("constraints nothing meets are relaxed", async () => {
  const devices = new FakeDevices();
  devices.fault = ({ video }) => (video === true ? null : "OverconstrainedError");
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.deepEqual(devices.asked.at(-1), { video: true, audio: true });
  assert.equal(capture.state.status, "ready");
});

test("a machine without a camera comes in with sound", async () => {
  const devices = new FakeDevices();
  devices.kinds = ["audioinput"];
  devices.fault = ({ video }) => (video === false ? null : "NotFoundError");
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.equal(capture.settled, true);
  assert.deepEqual(capture.state.fault, { kind: "none", device: "camera" });
  assert.notEqual(capture.state.microphone, null);
});

test("a camera in use holds up until sound only is chosen, then nothing is asked twice", async () => {
  const devices = new FakeDevices();
  devices.fault = ({ video }) => (video === false ? null : "NotReadableError");
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.deepEqual(capture.state.fault, { kind: "in_use", device: "camera" });
  assert.equal(capture.settled, false);
  const asked = devices.asked.length;
  await capture.acceptSoundOnly();
  assert.equal(capture.settled, true);
  assert.equal(devices.asked.length, asked);
});

test("a no to both opens no second question", async () => {
  const devices = new FakeDevices();
  devices.fault = () => "NotAllowedError";
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.equal(devices.asked.length, 1);
  assert.deepEqual(capture.state.fault, { kind: "denied", device: "both" });
});

test("a no to the camera alone leaves the microphone", async () => {
  const devices = new FakeDevices();
  devices.permissions = { camera: "denied", microphone: "granted" };
  devices.fault = ({ video }) => (video === false ? null : "NotAllowedError");
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.deepEqual(capture.state.fault, { kind: "denied", device: "camera" });
  assert.notEqual(capture.state.microphone, null);
});

test("going on with nothing is settled too", async () => {
  const devices = new FakeDevices();
  devices.fault = () => "NotAllowedError";
  const capture = devices.capture(() => {});
  await capture.acquire();
  assert.equal(capture.settled, false);
  capture.accept();
  assert.equal(capture.settled, true);
});

test("release turns the lights off", async () => {
  const capture = new FakeDevices().capture(() => {});
  await capture.acquire();
  const tracks = capture.state.stream?.getTracks() ?? [];
  capture.release();
  assert.deepEqual(tracks.map((track) => track.readyState), ["ended", "ended"]);
  assert.equal(capture.state.status, "idle");
});

test("a stream that comes after release is not kept", async () => {
  const capture = new FakeDevices().capture(() => {});
  const asking = capture.acquire();
  capture.release();
  await asking;
  assert.equal(capture.state.stream, null);
  assert.equal(capture.state.status, "idle");
});

test("a chosen device is remembered and asked for", async () => {
  const devices = new FakeDevices();
  const capture = devices.capture(() => {});
  await capture.acquire();
  await capture.choose({ camera: "c2" });
  const again = devices.capture(() => {});
  await again.acquire();
  const video = devices.asked.at(-1)?.video;
  assert.ok(typeof video === "object");
  assert.deepEqual(video.deviceId, { ideal: "c2" });
});

test("memory that is refused is no fault", () => {
  const memory = new DeviceMemory(() => {
    throw new Error("SecurityError");
  });
  memory.save({ camera: "a", microphone: "b", speaker: "c" });
  assert.deepEqual(memory.load(), { camera: "", microphone: "", speaker: "" });
});
