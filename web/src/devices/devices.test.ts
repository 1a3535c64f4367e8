import assert from "node:assert/strict";
import { test } from "node:test";

import { FakeDevices } from "../testing/media.ts";
import { type FaultKind, faultKind, surroundingsFault } from "./fault.ts";
import { appOf } from "./in_app.ts";
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
});

test("pages inside other apps are told from browsers", () => {
  const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  const android = "Mozilla/5.0 (Linux; Android 14; Pixel 8";
  const apps: [string, string][] = [
    [`${iPhone} Mobile/15E148 [FBAN/FBIOS;FBAV/480.0.0.35.110;FBDV/iPhone16,1]`, "Facebook"],
    [`${android} Build/UQ1A; wv) AppleWebKit/537.36 Version/4.0 Chrome/130.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0]`, "Facebook"],
    [`${iPhone} Mobile/15E148 [FBAN/MessengerForiOS;FBAV/480.0]`, "Messenger"],
    [`${iPhone} Mobile/15E148 Instagram 350.0.0.0 (iPhone16,1; iOS 18_0; en_GB)`, "Instagram"],
    [`${iPhone} Mobile/15E148 WhatsApp/2.24.20`, "WhatsApp"],
    [`${iPhone} Mobile/15E148 musical_ly_36.0.0 BytedanceWebview/d8a21c6`, "TikTok"],
    [`${iPhone} Mobile/15E148 [LinkedInApp]/9.30`, "LinkedIn"],
    [`${iPhone} Mobile/15E148 Safari Line/14.0.0`, "LINE"],
    [`${iPhone} Mobile/15E148 MicroMessenger/8.0.50 NetType/WIFI`, "WeChat"],
    [`${iPhone} GSA/340.3 Mobile/15E148 Safari/604.1`, "the Google app"],
    [`${android} Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/130.0 Mobile Safari/537.36`, "another app"],
    [`${iPhone} Mobile/15E148`, "another app"],
  ];
  for (const [userAgent, name] of apps) assert.equal(appOf(userAgent), name, userAgent);
  const browsers = [
    `${iPhone} Version/18.0 Mobile/15E148 Safari/604.1`,
    `${iPhone} CriOS/130.0 Mobile/15E148 Safari/604.1`,
    `${iPhone} FxiOS/132.0 Mobile/15E148 Safari/605.1.15`,
    `${android}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Mobile Safari/537.36`,
    `${android}) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36`,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0",
  ];
  for (const userAgent of browsers) assert.equal(appOf(userAgent), null, userAgent);
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

test("release stops all tracks", async () => {
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

for (const name of ["NotReadableError", "NotFoundError", "OverconstrainedError", "NotAllowedError"]) {
  test(`after a release nothing more is asked: ${name}`, async () => {
    const devices = new FakeDevices();
    devices.permissions = { camera: "denied", microphone: "granted" };
    devices.fault = ({ video }) => (video === false ? null : name);
    const capture = devices.capture(() => {});
    const asking = capture.acquire();
    assert.equal(devices.asked.length, 1);
    capture.close();
    await asking;
    assert.equal(devices.asked.length, 1);
    assert.equal(capture.state.stream, null);
  });
}

test("a release while it is found out which device is to blame asks for neither", async () => {
  const devices = new FakeDevices();
  devices.fault = ({ video }) => (video === false ? null : "NotReadableError");
  const capture = devices.capture(() => {});
  const asking = capture.acquire();
  await Promise.resolve();
  await Promise.resolve();
  capture.close();
  await asking;
  assert.equal(devices.asked.length, 1, "no second question for the microphone alone");
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

test("unavailable storage is not an error", () => {
  const memory = new DeviceMemory(() => {
    throw new Error("SecurityError");
  });
  memory.save({ camera: "a", microphone: "b", speaker: "c" });
  assert.deepEqual(memory.load(), { camera: "", microphone: "", speaker: "" });
});
