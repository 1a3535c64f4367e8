import type { Fault } from "../src/devices/fault.ts";
import type { Command, DeviceCheck, ParticipantView, Presence, Refusal, Stage, View } from "../src/signalling/messages.ts";

/** How the fake devices behave. */
export type Devices = "granted" | "asking" | Fault["kind"] | "no_camera" | "taken" | "unplugged";

/** A picture of the page: everything the fake server and browser are to say. */
export interface SceneScript {
  role: "patient" | "provider";
  stage: Stage["name"];
  reason?: "ended" | "missed" | "abandoned";
  devices?: Devices;
  other?: Partial<ParticipantView>;
  you?: Partial<ParticipantView>;
  /** What the WebSocket does after the snapshot. */
  socket?: "moved" | "drop" | 4401 | 4403 | 4409;
  /** What the API answers instead of the appointment; 0 for not at all. */
  api?: number;
  /** A button to press once it is there. */
  press?: string[];
  refuse?: Partial<Record<Command["name"], Refusal>>;
  noMedia?: boolean;
  /** Sound and picture find no way to the server. */
  noPath?: boolean;
  /** What to write once that is pressed, and to send. */
  write?: string;
  /** The browser plays nothing without a tap. */
  silent?: boolean;
  dashboard?: boolean;
}

const now = Date.now();
const ago = (minutes: number): number => now - minutes * 60_000;
const works: DeviceCheck = { browser: "works", camera: "works", microphone: "works", heard: true, seen: true };
const here = (minutes = 3): Presence => ({ name: "here", since: ago(minutes) });
const absent: Presence = { name: "absent" };

/** Every state there is a page for. */
export const SCENES: Record<string, SceneScript> = {
  "patient-asking": { role: "patient", stage: "preparing", devices: "asking" },
  "patient-denied": { role: "patient", stage: "preparing", devices: "denied" },
  "patient-in-use": { role: "patient", stage: "preparing", devices: "in_use" },
  "patient-in-app": { role: "patient", stage: "preparing", devices: "in_app_browser" },
  "patient-none": { role: "patient", stage: "preparing", devices: "none" },
  "patient-too-early": { role: "patient", stage: "preparing", refuse: { enter: "too_early" } },
  "patient-declined": { role: "patient", stage: "called", devices: "asking", press: ["Not now"] },
  "patient-waiting": { role: "patient", stage: "waiting" },
  "patient-waiting-no-camera": { role: "patient", stage: "waiting", devices: "no_camera" },
  "patient-waiting-muted": { role: "patient", stage: "waiting", you: { microphone: false, camera: false } },
  "patient-waiting-dropped": { role: "patient", stage: "waiting", socket: "drop" },
  "patient-waiting-no-path": { role: "patient", stage: "waiting", noPath: true },
  "patient-connected-no-path": { role: "patient", stage: "connected", noPath: true },
  "patient-message-refused": {
    role: "patient",
    stage: "connected",
    press: ["More", "Messages"],
    write: "Aspirin\t100 mg\nRamipril\t5 mg",
    refuse: { say: "malformed" },
  },
  "patient-devices": { role: "patient", stage: "waiting", press: ["Camera and microphone"] },
  "patient-help": { role: "patient", stage: "waiting", press: ["Help"] },
  "patient-called": { role: "patient", stage: "called", devices: "asking" },
  "patient-connected": { role: "patient", stage: "connected" },
  "patient-connected-camera-off": { role: "patient", stage: "connected", other: { camera: false, microphone: false } },
  "patient-connected-muted": { role: "patient", stage: "connected", you: { microphone: false, camera: false } },
  "patient-connected-dropped": { role: "patient", stage: "connected", socket: "drop" },
  "patient-menu": { role: "patient", stage: "connected", press: ["More"] },
  "patient-resume": { role: "patient", stage: "connected", devices: "taken" },
  "patient-resume-waiting": { role: "patient", stage: "waiting", devices: "taken" },
  "patient-resume-failed": { role: "patient", stage: "connected", devices: "taken", press: ["Continue"] },
  "patient-resume-sound": { role: "patient", stage: "connected", silent: true },
  "patient-camera-gone": { role: "patient", stage: "connected", devices: "unplugged" },
  "patient-provider-paused": { role: "patient", stage: "connected", other: { capture: "interrupted" } },
  "patient-reconnecting": { role: "patient", stage: "reconnecting" },
  "patient-alone": { role: "patient", stage: "alone" },
  "patient-left": { role: "patient", stage: "left" },
  "patient-ended": { role: "patient", stage: "ended", reason: "ended" },
  "patient-missed": { role: "patient", stage: "ended", reason: "missed" },
  "patient-abandoned": { role: "patient", stage: "ended", reason: "abandoned" },
  "patient-moved": { role: "patient", stage: "waiting", socket: "moved" },
  "patient-signed-out": { role: "patient", stage: "waiting", socket: 4401 },
  "patient-not-found": { role: "patient", stage: "waiting", api: 404 },
  "patient-unreachable": { role: "patient", stage: "waiting", api: 0 },
  "provider-idle-absent": { role: "provider", stage: "idle", other: { presence: absent, check: null } },
  "provider-idle-preparing": {
    role: "provider",
    stage: "idle",
    other: {
      presence: { name: "preparing", since: ago(1) },
      check: { browser: "works", camera: "asking", microphone: "asking", heard: false, seen: false },
    },
  },
  "provider-idle-new-device": { role: "provider", stage: "idle", other: { device_changed: ago(0) } },
  "provider-connected-new-device": { role: "provider", stage: "connected", other: { device_changed: ago(0) } },
  "provider-idle-here": { role: "provider", stage: "idle" },
  "provider-idle-blocked": {
    role: "provider",
    stage: "idle",
    devices: "denied",
    other: { check: { browser: "works", camera: "blocked", microphone: "works", heard: false, seen: false } },
  },
  "provider-idle-link": { role: "provider", stage: "idle", other: { presence: absent, check: null }, press: ["Copy a new patient link"] },
  "provider-idle-no-media": { role: "provider", stage: "idle", other: { media: false } },
  "provider-connected-no-media": { role: "provider", stage: "connected", noMedia: true, other: { media: false } },
  "provider-calling": { role: "provider", stage: "calling", other: { presence: absent, check: null } },
  "provider-unanswered": { role: "provider", stage: "unanswered", other: { presence: absent, check: null } },
  "provider-declined": {
    role: "provider",
    stage: "declined",
    other: { presence: { name: "preparing", since: ago(2) }, check: works },
  },
  "provider-connected": { role: "provider", stage: "connected" },
  "provider-other-hidden": { role: "provider", stage: "connected", other: { capture: "hidden" } },
  "provider-other-interrupted": { role: "provider", stage: "connected", other: { capture: "interrupted" } },
  "provider-other-lost": { role: "provider", stage: "connected", other: { capture: "lost" } },
  "provider-other-blocked": { role: "provider", stage: "connected", other: { capture: "blocked" } },
  "provider-idle-paused": { role: "provider", stage: "idle", other: { capture: "hidden" } },
  "provider-resume": { role: "provider", stage: "connected", devices: "taken" },
  "provider-end-dialog": { role: "provider", stage: "connected", press: ["End visit"] },
  "provider-reconnecting": { role: "provider", stage: "reconnecting" },
  "provider-alone": { role: "provider", stage: "alone" },
  "provider-left": { role: "provider", stage: "left" },
  "provider-ended": { role: "provider", stage: "ended", reason: "ended" },
  "provider-missed": { role: "provider", stage: "ended", reason: "missed", other: { presence: absent } },
  "provider-moved": { role: "provider", stage: "idle", socket: "moved" },
  "provider-signed-out": { role: "provider", stage: "idle", socket: 4401 },
  "provider-refused": { role: "provider", stage: "idle", socket: 4403 },
  "provider-broken": { role: "provider", stage: "idle", socket: 4409 },
  "provider-api-500": { role: "provider", stage: "idle", api: 500 },
  dashboard: { role: "provider", stage: "idle", dashboard: true },
};

/** Who the two are. */
export type Names = Record<SceneScript["role"], string>;

/** The names of the two people; `long` ones for the layout's sake. */
export function people(long: boolean): Names {
  return long
    ? {
        provider: "Prof. Dr. Wolfeschlegelsteinhausenbergerdorff-Papadopoulou",
        patient: "María de los Ángeles Fernández-Echeverría Bustamante",
      }
    : { provider: "Dr. Amara Okafor", patient: "Rosa Lindqvist" };
}

/** The server's snapshot for a scene. */
export function viewOf(script: SceneScript, names: Names): View {
  const other: SceneScript["role"] = script.role === "patient" ? "provider" : "patient";
  const person = (role: SceneScript["role"]): ParticipantView => ({
    user: `${role}-id`,
    name: names[role],
    role,
    presence: here(),
    microphone: true,
    camera: true,
    media: true,
    capture: "live",
    consent: null,
    check: role === "patient" || role === script.role ? works : null,
    device_changed: null,
  });
  const out = script.stage === "left" || script.stage === "ended";
  return {
    visit: "0192d3a0-7c1e-7000-8000-0000a1b2c3d4",
    stage: stageOf(script),
    backend: "embedded",
    you: {
      ...person(script.role),
      presence: out ? { name: "left", at: ago(1) } : script.stage === "preparing" || script.stage === "called" ? { name: "preparing", since: ago(1) } : here(),
      ...script.you,
    },
    others: [{ ...person(other), ...script.other }],
    messages: [],
  };
}

function stageOf({ stage, reason }: SceneScript): Stage {
  switch (stage) {
    case "preparing":
    case "idle":
      return { name: stage };
    case "calling":
      return { name: stage, since: ago(0.4), until: now + 20_000 };
    case "declined":
    case "left":
      return { name: stage, at: ago(1) };
    case "ended":
      return { name: stage, at: ago(1), reason: reason ?? "ended" };
    case "alone":
      return { name: stage, since: ago(0.5) };
    case "connected":
      return { name: stage, since: ago(7.3) };
    default:
      return { name: stage, since: ago(2) };
  }
}
