import assert from "node:assert/strict";
import { test } from "node:test";

import { befall, FakeDevices } from "../testing/media.ts";
import { shouldSwitch, speakerToUse, type Listed } from "./follow.ts";

const NONE = { camera: "", microphone: "", speaker: "" };
const device = (kind: MediaDeviceKind, deviceId: string, groupId = "g"): Listed => ({ kind, deviceId, groupId, label: deviceId });
const usual = device("audioinput", "default", "built-in");
const headset = device("audioinput", "default", "headset");

test("what is plugged in where nothing is in use is used", () => {
  const cameras = [device("videoinput", "c1")];
  assert.equal(shouldSwitch("camera", { device: null, wanted: true }, NONE, [], cameras), true);
  assert.equal(shouldSwitch("camera", { device: null, wanted: false }, NONE, [], cameras), false);
  assert.equal(shouldSwitch("camera", { device: null, wanted: true }, NONE, [], [usual]), false);
});

test("a chosen device that is back is used again", () => {
  const use = { device: "c1", wanted: true };
  const chosen = { ...NONE, camera: "c2" };
  assert.equal(shouldSwitch("camera", use, chosen, [], [device("videoinput", "c1"), device("videoinput", "c2")]), true);
  assert.equal(shouldSwitch("camera", use, chosen, [], [device("videoinput", "c1")]), false);
  assert.equal(shouldSwitch("camera", { device: "c2", wanted: true }, chosen, [], [device("videoinput", "c2")]), false);
});

test("a new default is followed unless another device was chosen", () => {
  const use = { device: "default", wanted: true };
  assert.equal(shouldSwitch("microphone", use, NONE, [usual], [headset]), true);
  assert.equal(shouldSwitch("microphone", use, NONE, [usual], [usual]), false);
  assert.equal(shouldSwitch("microphone", { device: "m2", wanted: true }, { ...NONE, microphone: "m2" }, [usual], [headset, device("audioinput", "m2")]), false);
});

test("a speaker that is gone gives way to the system's", () => {
  assert.equal(speakerToUse({ ...NONE, speaker: "s" }, [{ id: "s" }]), "s");
  assert.equal(speakerToUse({ ...NONE, speaker: "s" }, []), "");
});

test("a camera pulled out leaves the sound alone, and comes back when it is plugged in", async () => {
  const devices = new FakeDevices();
  const capture = devices.capture(() => {});
  await capture.acquire();
  const { microphone, camera } = capture.state;
  befall(camera, "ended");
  assert.equal(capture.health({ camera: true, microphone: true }), "ended");
  devices.fault = ({ video }) => (video ? "NotFoundError" : null);
  assert.equal(await capture.rebuild(), null);
  assert.equal(capture.state.camera, null);
  assert.equal(capture.state.microphone, microphone);
  assert.deepEqual(capture.state.fault, { kind: "none", device: "camera" });
  assert.equal(capture.settled, true);

  devices.fault = () => null;
  await devices.plug(["audioinput", "videoinput"]);
  assert.notEqual(capture.state.camera, null);
  assert.equal(capture.state.microphone, microphone);
  assert.equal(capture.state.microphone?.readyState, "live");
  assert.equal(capture.state.fault, null);
});

test("who went on without a camera is not filmed by a new one", async () => {
  const devices = new FakeDevices();
  devices.fault = ({ video }) => (video ? "NotFoundError" : null);
  devices.kinds = ["audioinput"];
  const capture = devices.capture(() => {});
  await capture.acquire();
  capture.accept();
  devices.fault = () => null;
  await devices.plug(["audioinput", "videoinput"]);
  assert.equal(capture.state.camera, null);
});

test("what replaces a muted microphone is muted from its first moment", async () => {
  const devices = new FakeDevices();
  const seen: boolean[] = [];
  const capture = devices.capture(() => {
    const { microphone } = capture.state;
    if (microphone !== null) seen.push(microphone.enabled);
  });
  await capture.acquire();
  const { microphone } = capture.state;
  assert.ok(microphone !== null);
  microphone.enabled = false;
  seen.length = 0;
  befall(microphone, "mute");
  await capture.rebuild();
  assert.notEqual(capture.state.microphone, microphone);
  assert.deepEqual([...new Set(seen)], [false]);
});

test("a refusal leaves what there is, and is told", async () => {
  const devices = new FakeDevices();
  const capture = devices.capture(() => {});
  await capture.acquire();
  const before = capture.state;
  befall(before.camera, "mute");
  devices.fault = () => "NotAllowedError";
  assert.equal(await capture.rebuild(), "denied");
  assert.equal(capture.state.camera, before.camera);
  assert.equal(capture.state.status, "ready");
});

test("a dead track lets go of a device that is in use", async () => {
  const devices = new FakeDevices();
  const capture = devices.capture(() => {});
  await capture.acquire();
  const { camera } = capture.state;
  befall(camera, "mute");
  devices.fault = () => (camera?.readyState === "live" ? "NotReadableError" : null);
  assert.equal(await capture.rebuild(), null);
  assert.equal(capture.health({ camera: true, microphone: true }), "live");
});

test("a headset that becomes the system's microphone is used", async () => {
  const devices = new FakeDevices();
  devices.kinds = ["videoinput"];
  devices.listed = [usual as MediaDeviceInfo];
  const capture = devices.capture(() => {});
  await capture.acquire();
  const { microphone, camera } = capture.state;
  assert.ok(microphone !== null);
  microphone.getSettings = () => ({ deviceId: "default" });
  await devices.plug(["videoinput"], [headset as MediaDeviceInfo]);
  assert.notEqual(capture.state.microphone, microphone);
  assert.equal(capture.state.camera, camera);
});
