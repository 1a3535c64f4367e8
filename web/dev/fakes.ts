import type { ClientMessage, ServerMessage } from "../src/signalling/messages.ts";
import { type Devices, type SceneScript, people, viewOf } from "./scenes.ts";

/** Puts a scripted server and scripted devices in the place of the browser's own. */
export function install(script: SceneScript, long: boolean): void {
  const names = people(long);
  globalThis.fetch = async (input) => answer(String(input), script, names);
  globalThis.WebSocket = socketClass(script, names) as unknown as typeof WebSocket;
  globalThis.RTCPeerConnection = peerClass(script) as unknown as typeof RTCPeerConnection;
  if (script.silent === true) {
    Object.defineProperty(HTMLMediaElement.prototype, "autoplay", { set() {} });
    HTMLMediaElement.prototype.play = async () => {
      throw new DOMException("", "NotAllowedError");
    };
  }
  const devices = script.devices ?? "granted";
  Object.defineProperty(navigator, "mediaDevices", { value: mediaDevices(devices), configurable: true });
  if (devices === "in_app_browser") {
    Object.defineProperty(navigator, "mediaDevices", { value: undefined, configurable: true });
    Object.defineProperty(navigator, "userAgent", { value: "Mozilla/5.0 (iPhone) FBAN/FBIOS FBAV/1", configurable: true });
  }
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

async function answer(url: string, script: SceneScript, names: { patient: string; provider: string }): Promise<Response> {
  if (url.includes("/invites")) {
    return json(200, { success: true, data: { url: "https://visits.example.org/v/3kqf8-hz2pm-x7wta-9bdne" } });
  }
  if (script.api === 0) throw new TypeError("Failed to fetch");
  if (script.api !== undefined) {
    const title = script.api === 404 ? "Not found" : "Something broke";
    return json(script.api, { success: false, title, detail: "No details.", status: script.api });
  }
  return json(200, {
    success: true,
    data: {
      id: "appointment",
      datetime: new Date(Date.now() - 4 * 60_000).toISOString(),
      duration: 20,
      type: "video",
      reason: "Follow-up after a change of blood pressure medicine",
      status: "booked",
      provider: { userId: "provider-id", name: names.provider, specialty: "General practice", avatarUrl: null },
      patient: { userId: "patient-id", name: names.patient, age: 71, avatarUrl: null },
      call: { backend: "embedded", signalling: "/api/appointments/appointment/signalling" },
    },
  });
}

let opened = 0;
let stats = 0;

function socketClass(script: SceneScript, names: { patient: string; provider: string }) {
  return class {
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose: ((event: { code: number; reason: string }) => void) | null = null;

    constructor() {
      opened += 1;
      if (script.socket === "drop" && opened > 1) return;
      setTimeout(() => this.#open(), 20);
    }

    #open(): void {
      const code = typeof script.socket === "number" ? script.socket : null;
      if (code !== null) return this.onclose?.({ code, reason: "" });
      this.#say({ type: "snapshot", sequence: 1, now: Date.now(), view: viewOf(script, names) });
      if (script.socket === "moved") this.#say({ type: "moved" });
      if (script.socket === "drop") setTimeout(() => this.onclose?.({ code: 1006, reason: "" }), 600);
    }

    #say(message: ServerMessage): void {
      this.onmessage?.({ data: JSON.stringify(message) });
    }

    send(text: string): void {
      const message = JSON.parse(text) as ClientMessage;
      setTimeout(() => {
        if (message.type === "ping") this.#say({ type: "pong" });
        else if (message.type === "offer") this.#answer(message.peer);
        else if (message.type === "command") this.#react(message.id, message.command);
      }, 10);
    }

    #answer(peer: number): void {
      const user = script.role === "patient" ? "provider-id" : "patient-id";
      this.#say({ type: "answer", peer, sdp: "", tracks: [{ mid: "2", user }, { mid: "3", user }] });
    }

    #react(id: string, command: Extract<ClientMessage, { type: "command" }>["command"]): void {
      const refusal = script.refuse?.[command.name];
      if (refusal !== undefined) return this.#say({ type: "refused", id, refusal });
      this.#say({ type: "acknowledged", id });
      if (command.name === "decline") {
        this.#say({ type: "changed", sequence: 2, changes: [{ name: "stage", stage: { name: "preparing" } }] });
      }
    }

    close(): void {}
  };
}

function peerClass(script: SceneScript) {
  return class {
    connectionState = "new";
    signalingState = "stable";
    localDescription: { sdp: string } | null = null;
    onconnectionstatechange: (() => void) | null = null;
    #transceivers: object[] = [];

    addTransceiver(kind: string): object {
      const mid = String(this.#transceivers.length);
      const remote = mid === "3" && script.noMedia !== true ? portrait("#35545e", "#c98f6b") : new MediaStream();
      const track = kind === "video" ? (remote.getVideoTracks()[0] ?? null) : null;
      const transceiver = {
        mid,
        sender: { track: null, replaceTrack: async () => {}, getParameters: () => ({}), setParameters: async () => {}, getStats: async () => new Map() },
        receiver: { track },
        setCodecPreferences: () => {},
      };
      this.#transceivers.push(transceiver);
      return transceiver;
    }

    getTransceivers(): object[] {
      return this.#transceivers.filter((transceiver) => (transceiver as { receiver: { track: unknown } }).receiver.track !== null);
    }

    async createOffer(): Promise<object> {
      return { type: "offer", sdp: "v=0" };
    }

    async setLocalDescription(description: { sdp: string }): Promise<void> {
      this.localDescription = description;
    }

    async setRemoteDescription(): Promise<void> {
      if (script.noPath === true) return;
      setTimeout(() => {
        this.connectionState = "connected";
        this.onconnectionstatechange?.();
      }, 30);
    }

    async getStats(): Promise<Map<string, object>> {
      const received = 100 * (stats += 1);
      return new Map<string, object>([
        ...(["audio", "video"] as const).flatMap((kind): [string, object][] => [
          [`in ${kind}`, { type: "inbound-rtp", kind, packetsReceived: script.noMedia === true ? 100 : received, packetsLost: 0 }],
          [`out ${kind}`, { type: "outbound-rtp", kind, packetsSent: received }],
          [`remote ${kind}`, { type: "remote-inbound-rtp", kind, timestamp: stats, fractionLost: script.stage === "connected" && script.role === "patient" ? 0.1 : 0, roundTripTime: 0.04 }],
        ]),
      ]);
    }

    close(): void {}
  };
}

/** What a phone call, or a pulled plug, does to what was captured. */
function befall(stream: MediaStream, devices: Devices): void {
  for (const track of devices === "unplugged" ? stream.getVideoTracks() : stream.getTracks()) {
    if (devices === "taken") Object.defineProperty(track, "muted", { value: true });
    else track.stop();
    track.dispatchEvent(new Event(devices === "taken" ? "mute" : "ended"));
  }
}

function mediaDevices(devices: Devices): object {
  let asked = 0;
  const list = [
    { kind: "videoinput", deviceId: "c1", label: "FaceTime HD Camera" },
    { kind: "videoinput", deviceId: "c2", label: "USB document camera" },
    { kind: "audioinput", deviceId: "m1", label: "Built-in microphone" },
    { kind: "audiooutput", deviceId: "s1", label: "Built-in speakers" },
    { kind: "audiooutput", deviceId: "s2", label: "Headset" },
  ].filter(({ kind }) => devices !== "no_camera" || kind !== "videoinput");
  return {
    addEventListener() {},
    removeEventListener() {},
    enumerateDevices: async () => list,
    async getUserMedia({ video, audio }: MediaStreamConstraints): Promise<MediaStream> {
      const errors: Partial<Record<Devices, string>> = {
        denied: "NotAllowedError",
        in_use: "NotReadableError",
        none: "NotFoundError",
        no_camera: "NotFoundError",
      };
      if (devices === "asking") return new Promise(() => {});
      asked += 1;
      const gone: Partial<Record<Devices, string>> = { taken: "NotReadableError", unplugged: "NotFoundError" };
      const error = asked > 1 ? (gone[devices] ?? errors[devices]) : errors[devices];
      const soundOnly = devices === "in_use" || devices === "no_camera";
      if (error !== undefined && !(soundOnly && video === false)) throw new DOMException("", error);
      const stream = video === false ? new MediaStream() : portrait("#6b5a4a", "#e0ac8a");
      if (audio !== false) {
        const sound = new AudioContext();
        const tone = sound.createOscillator();
        const out = sound.createMediaStreamDestination();
        tone.connect(out);
        tone.start();
        for (const track of out.stream.getAudioTracks()) stream.addTrack(track);
      }
      if (gone[devices] !== undefined) setTimeout(() => befall(stream, devices), 300);
      return stream;
    },
  };
}

/** Returns a picture of a person in front of a wall. */
function portrait(wall: string, skin: string): MediaStream {
  const canvas = document.createElement("canvas");
  canvas.width = 1280;
  canvas.height = 720;
  const pen = canvas.getContext("2d");
  const draw = (): void => {
    if (pen === null) return;
    pen.fillStyle = wall;
    pen.fillRect(0, 0, 1280, 720);
    pen.fillStyle = "#ffffff22";
    pen.fillRect(120, 80, 260, 330);
    pen.fillStyle = "#2d3d4a";
    pen.beginPath();
    pen.ellipse(640, 760, 330, 260, 0, 0, 7);
    pen.fill();
    pen.fillStyle = skin;
    pen.beginPath();
    pen.ellipse(640, 350, 120, 155, 0, 0, 7);
    pen.fill();
    pen.fillStyle = "#33261f";
    pen.beginPath();
    pen.ellipse(640, 255, 135, 90, 0, 3.1, 6.3);
    pen.fill();
    pen.fillStyle = `rgb(255 255 255 / ${0.01 + 0.01 * Math.random()})`;
    pen.fillRect(0, 0, 20, 20);
    setTimeout(draw, 100);
  };
  draw();
  return canvas.captureStream(10);
}
