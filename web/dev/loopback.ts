import type { ClientMessage, ServerMessage, View } from "../src/signalling/messages.ts";
import { viewOf } from "./scenes.ts";

/**
 * A server in the page: a scripted visit, and a real `RTCPeerConnection` in the media server's place
 * which sends a picture and a sound back.
 */
const names = { patient: "Rosa Lindqvist", provider: "Dr. Amara Okafor" };
const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
const pen = canvas.getContext("2d");
setInterval(() => {
  if (pen === null) return;
  pen.fillStyle = `hsl(${(Date.now() / 20) % 360} 50% 50%)`;
  pen.fillRect(0, 0, 640, 360);
}, 40);
const picture = canvas.captureStream(25);
const audio = new AudioContext();
const tone = audio.createOscillator();
const sound = audio.createMediaStreamDestination();
tone.connect(sound);
tone.start();

/** What the check looks at. */
export const seen = {
  offers: [] as { peer: number; sdp: string; restart: boolean }[],
  server: null as RTCPeerConnection | null,
  socket: null as LoopbackSocket | null,
  number: 0,
};

/** Stands in for `WebSocket`. */
export class LoopbackSocket {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  #sequence = 1;
  #view: View = viewOf({ role: "patient", stage: "waiting", other: { check: null } }, names);

  constructor() {
    seen.socket = this;
    this.#view = { ...this.#view, you: { ...this.#view.you, media: seen.server?.connectionState === "connected" } };
    setTimeout(() => this.say({ type: "snapshot", sequence: 1, now: Date.now(), view: this.#view }), 5);
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The provider starts. */
  start(): void {
    this.#sequence += 1;
    this.say({ type: "changed", sequence: this.#sequence, changes: [{ name: "stage", stage: { name: "connected", since: Date.now() } }] });
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    if (message.type === "ping") this.say({ type: "pong" });
    else if (message.type === "command") this.say({ type: "acknowledged", id: message.id });
    else if (message.type === "offer") void this.#answer(message.peer, message.sdp);
  }

  async #answer(peer: number, sdp: string): Promise<void> {
    const renews = peer === seen.number;
    seen.offers.push({ peer, sdp, restart: renews });
    if (!renews) {
      seen.server?.close();
      seen.server = new RTCPeerConnection();
      seen.number = peer;
    }
    const server = seen.server;
    if (server === null || server.signalingState === "closed") {
      return this.say({ type: "media_failed", peer, reason: "lost" });
    }
    await server.setRemoteDescription({ type: "offer", sdp });
    for (const transceiver of server.getTransceivers()) {
      const ours = transceiver.receiver.track.kind === "video" ? picture.getVideoTracks()[0] : sound.stream.getAudioTracks()[0];
      const sends = transceiver.mid === "2" || transceiver.mid === "3";
      transceiver.direction = sends ? "sendonly" : "recvonly";
      if (sends && ours !== undefined) await transceiver.sender.replaceTrack(ours);
    }
    await server.setLocalDescription();
    while (server.iceGatheringState !== "complete") await new Promise((resolve) => setTimeout(resolve, 10));
    const user = "provider-id";
    this.say({ type: "answer", peer, sdp: server.localDescription?.sdp ?? "", tracks: [{ mid: "2", user }, { mid: "3", user }] });
  }

  close(): void {}
}

globalThis.WebSocket = LoopbackSocket as unknown as typeof WebSocket;
globalThis.fetch = async () =>
  new Response(
    JSON.stringify({
      success: true,
      data: {
        id: "a",
        datetime: new Date().toISOString(),
        duration: 20,
        type: "video",
        reason: null,
        status: "booked",
        provider: { userId: "provider-id", name: names.provider, specialty: null, avatarUrl: null },
        patient: { userId: "patient-id", name: names.patient, age: 71, avatarUrl: null },
        call: { backend: "embedded", signalling: "/s" },
      },
    }),
  );
Object.assign(globalThis, { seen });
await import("../src/visit.ts");
const element = document.createElement("patient-video-call");
element.setAttribute("appointment-id", "a");
element.setAttribute("current-user-id", "patient-id");
element.setAttribute("current-user-name", names.patient);
document.querySelector("main")?.append(element);
