import type { Layer, Track, UserId } from "../signalling/messages.ts";
import { nothing, type Clock } from "../time/clock.ts";
import { prefer, type Capabilities } from "./codecs.ts";
import { DeeperSound } from "./deepening.ts";
import { ALL, areTaken, bits, encodings, paced } from "./layers.ts";
import { bounded, ProbeTimer } from "./probe.ts";
import { countersOf, Pulse } from "./pulse.ts";
import { SizeWatch } from "./sizes.ts";

/** In the call: one encoding of up to 720p. */
const FULL: Pace = { maxBitrate: 1_500_000, scaleResolutionDownBy: 1 };
/**
 * While waiting: enough to keep the path and its estimate warm, and little of anyone's data plan. The
 * frame rate stays, so that the start finds an encoder at work.
 */
const WARM: Pace = { maxBitrate: 100_000, scaleResolutionDownBy: 4 };
/**
 * Between the two: the bits first. An encoder that is given a whole picture while it has bits for a
 * small one makes it small itself, and then lets it grow over twenty seconds.
 */
const RISING: Pace = { ...FULL, scaleResolutionDownBy: WARM.scaleResolutionDownBy };
/** From half a megabit a second on libwebrtc lets a picture of 720p be. It comes in any case after a while. */
const ENOUGH = 550_000;
const RISEN_AFTER = 2_000;
const LOOK_EVERY = 100;

/** What the network is asked for when it is probed, in bits a second: the picture, the sound and room to spare. */
const PROBE = 2_200_000;

/** How long a picture may take to grow by itself. */
const GROW_AGAIN = 4_000;

interface Pace {
  maxBitrate: number;
  scaleResolutionDownBy: number;
}

/** How long sound and picture wait, in milliseconds. */
export type Wait = Readonly<Record<"audio" | "video", number>>;

/** How an `RTCPeerConnection` is to be made for a {@link Connection}. */
export const CONFIGURATION: RTCConfiguration = { bundlePolicy: "max-bundle" };

/**
 * One `RTCPeerConnection` to the server, with sections that never change: our sound, our picture, and a sound
 * and a picture for each of the others. Devices come and go by replacing tracks, so that nothing is ever
 * negotiated again; for more people there is another connection.
 */
export class Connection {
  /** Whether the server is heard over it. */
  readonly pulse = new Pulse();
  readonly #sound: RTCRtpTransceiver;
  readonly #picture: RTCRtpTransceiver;
  #received: ReadonlyMap<UserId, readonly MediaStreamTrack[]> = new Map();
  #full = false;
  #stopRising = nothing;
  readonly #probes = new ProbeTimer();
  readonly #deeper: DeeperSound;
  readonly #sizes = new SizeWatch();
  #answer = "";
  #bound = PROBE;
  #grown = Number.NEGATIVE_INFINITY;
  /** Whether our picture is sent in several sizes, and which of them anybody has a use for. */
  readonly #layered: boolean;
  #wanted: ReadonlySet<Layer> = ALL;

  /**
   * @param number what the server knows this connection by
   * @param people how many others it can receive
   * @param several whether our picture goes to more than one, and so in several sizes where the browser can
   * @param pc a new one, made with {@link CONFIGURATION}
   * @param worker what its sound is to be sent through, with more redundancy where it is lost; `null`: nothing
   * @param tcp whether it is to go by TCP alone, where the server takes that
   */
  constructor(
    readonly number: number,
    readonly people: number,
    readonly several: boolean,
    readonly pc: RTCPeerConnection,
    private readonly clock: Clock,
    capabilities: Capabilities,
    worker: Worker | null,
    private readonly tcp: boolean,
  ) {
    this.#sound = this.pc.addTransceiver("audio", { direction: "sendonly" });
    this.#deeper = new DeeperSound(this.#sound.sender, worker);
    this.#picture = (several ? this.#addLayered() : null) ?? this.pc.addTransceiver("video", { direction: "sendonly", sendEncodings: [{ ...WARM }] });
    this.#layered = several && areTaken(this.#picture.sender.getParameters());
    prefer(this.#sound, "audio", capabilities);
    prefer(this.#picture, "video", capabilities);
    for (let person = 0; person < people; person++) {
      for (const kind of ["audio", "video"] as const) prefer(this.pc.addTransceiver(kind, { direction: "recvonly" }), kind, capabilities);
    }
  }

  /** `null`: this browser knows only one size. */
  #addLayered(): RTCRtpTransceiver | null {
    try {
      return this.pc.addTransceiver("video", { direction: "sendonly", sendEncodings: encodings() });
    } catch {
      return null;
    }
  }

  /** What is sent. `null` sends nothing in that section. */
  async send(sound: MediaStreamTrack | null, picture: MediaStreamTrack | null): Promise<void> {
    await Promise.all([replace(this.#sound.sender, sound), replace(this.#picture.sender, picture)]);
  }

  /** Sends the whole picture, or only enough of it to keep the path warm. */
  async pace(full: boolean): Promise<void> {
    if (this.#full === full) return;
    this.#full = full;
    this.#stopRising();
    await this.#begin();
  }

  /** Which of the sizes of our picture anybody has a use for. */
  async want(layers: readonly Layer[]): Promise<void> {
    this.#wanted = new Set(layers);
    if (this.#layered) await this.#tune(FULL);
  }

  async #begin(): Promise<void> {
    await this.#tune(this.#full ? RISING : WARM);
    if (this.#full && !this.#layered) this.#rise(this.clock.now());
  }

  /** Describes this side. The same again where the last offer was never answered. */
  async offer(): Promise<string> {
    if (this.pc.signalingState === "stable") await this.pc.setLocalDescription(await this.pc.createOffer());
    return this.pc.localDescription?.sdp ?? "";
  }

  /** Takes the server's side, and from it whom each section carries. */
  async answer(sdp: string, tracks: readonly Track[]): Promise<void> {
    this.#answer = this.tcp ? withoutUdp(sdp) : sdp;
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.#answer });
    const received = new Map<UserId, MediaStreamTrack[]>();
    for (const { mid, receiver } of this.pc.getTransceivers()) {
      const user = tracks.find((track) => track.mid === mid)?.user;
      if (user !== undefined) received.set(user, [...(received.get(user) ?? []), receiver.track]);
    }
    this.#received = received;
    await this.#begin();
  }

  /** The tracks of each of the others. */
  get received(): ReadonlyMap<UserId, readonly MediaStreamTrack[]> {
    return this.#received;
  }

  /** How long media wait before they are played, at least; `null`: as the browser likes. */
  hold(wait: Wait | null): void {
    for (const receiver of this.pc.getReceivers()) {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = wait?.[receiver.track.kind as keyof Wait] ?? null;
    }
  }

  /** Whether much sound is lost on the way to the server, and this connection can do nothing about it. */
  get lossy(): boolean {
    return this.#deeper.wanted;
  }

  /** Whether the sound is held back on its way out: another connection has to do without what holds it. */
  get stifled(): boolean {
    return this.#deeper.stifles;
  }

  /** Whether only small packets get through, as behind a tunnel that drops large ones. */
  get cramped(): boolean {
    return this.#sizes.cramped && !this.tcp;
  }

  /** Whether a path was found, but no keys were agreed on over it. */
  get unsealed(): boolean {
    const { iceConnectionState, connectionState } = this.pc;
    return connectionState !== "connected" && (iceConnectionState === "connected" || iceConnectionState === "completed");
  }

  /** Whether media gets through, as far as is known. */
  get carries(): boolean {
    return this.pc.connectionState === "connected" && !this.pulse.silent;
  }

  /** Measures whether the server is heard, and whether the picture is short of bits. */
  async listen(now: () => number): Promise<void> {
    const report = await this.pc.getStats();
    const counters = countersOf(report);
    if (counters !== null) this.pulse.read(now(), counters);
    this.#deeper.read(now(), report);
    this.#sizes.read(now(), report.values() as Iterable<Record<string, unknown>>);
    if (!this.#full || !this.carries || this.#picture.sender.track === null) return;
    const allowance = { picture: bitsFor(report), sending: this.#picture.sender.track.enabled };
    const wish = this.#layered ? bits(this.#wanted) : FULL.maxBitrate;
    if (this.#probes.due(now(), allowance, wish)) await this.#probe();
    else if (!this.#layered && (allowance.picture ?? 0) >= ENOUGH && this.#isSmall(report)) await this.#grow(now());
  }

  /** Whether the encoder makes the picture smaller than the camera's for want of bits it had not. */
  #isSmall(report: RTCStatsReport): boolean {
    const { frameHeight, qualityLimitationReason } = encodersOf(report)[0] ?? {};
    const whole = this.#picture.sender.track?.getSettings?.().height;
    const comparable = typeof frameHeight === "number" && typeof whole === "number";
    return qualityLimitationReason === "bandwidth" && comparable && frameHeight < 0.9 * whole;
  }

  /** Makes libwebrtc forget how small it made the picture: to and from "balanced" it starts over. */
  async #grow(now: number): Promise<void> {
    if (now - this.#grown < GROW_AGAIN) return;
    this.#grown = now;
    await this.#tune(FULL, "maintain-framerate");
    await this.#tune(FULL);
  }

  /** Negotiates the same again with itself, but for a higher bound: the server has no part in it. */
  async #probe(): Promise<void> {
    if (this.pc.signalingState !== "stable" || this.#answer === "") return;
    this.#bound += 1_000;
    const sdp = bounded(this.#answer, this.#picture.mid ?? "", this.#bound);
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer());
      await this.pc.setRemoteDescription({ type: "answer", sdp });
    } catch {
      // A browser that will not: the estimate grows by itself, later.
    }
  }

  /** Lets go of everything. */
  close(): void {
    this.#stopRising();
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  /** Lets the picture be whole once there are bits for it. */
  #rise(since: number): void {
    this.#stopRising();
    this.#stopRising = this.clock.after(LOOK_EVERY, () => void this.#look(since));
  }

  async #look(since: number): Promise<void> {
    const stop = this.#stopRising;
    const report = await this.#picture.sender.getStats().catch(() => undefined);
    if (this.#stopRising !== stop) return;
    const late = this.clock.now() - since >= RISEN_AFTER;
    if (late || (bitsFor(report) ?? 0) >= ENOUGH) await this.#tune(FULL);
    else this.#rise(since);
  }

  /** The pace, which a picture of several sizes has its own of; and under strain, give up size and smoothness alike. */
  async #tune(pace: Pace, degradationPreference: RTCDegradationPreference = "balanced"): Promise<void> {
    const sender = this.#picture.sender;
    try {
      const parameters = sender.getParameters();
      const tuned = (encoding: RTCRtpEncodingParameters): RTCRtpEncodingParameters =>
        this.#layered ? paced(encoding, this.#full, this.#wanted) : { ...encoding, ...pace };
      const encodings = parameters.encodings.map(tuned);
      await sender.setParameters({ ...parameters, encodings, degradationPreference } as RTCRtpSendParameters);
    } catch {
      // Before the answer there is nothing to set yet: it is set then. Elsewhere the browser's own choice will do.
    }
  }
}

/** What is measured of the encoders of the picture: one for each of its sizes. */
function encodersOf(report: RTCStatsReport | undefined): Record<string, unknown>[] {
  const entries = [...((report?.values() ?? []) as Iterable<Record<string, unknown>>)];
  return entries.filter(({ type, kind, active }) => type === "outbound-rtp" && kind === "video" && active !== false);
}

/** What the encoders of the picture are allowed together, in bits a second; `null`: this browser does not say. */
function bitsFor(report: RTCStatsReport | undefined): number | null {
  const targets = encodersOf(report).map(({ targetBitrate }) => targetBitrate).filter((target) => typeof target === "number");
  return targets.length === 0 ? null : targets.reduce((sum, target) => sum + target, 0);
}

/** The server's side without its UDP addresses, if it has others. */
function withoutUdp(sdp: string): string {
  const lines = sdp.split(/(?<=\n)/);
  const speaks = (line: string, protocol: string): boolean => line.startsWith("a=candidate:") && line.split(" ")[2]?.toLowerCase() === protocol;
  return lines.some((line) => speaks(line, "tcp")) ? lines.filter((line) => !speaks(line, "udp")).join("") : sdp;
}

async function replace(sender: RTCRtpSender, track: MediaStreamTrack | null): Promise<void> {
  if (sender.track === track) return;
  try {
    await sender.replaceTrack(track);
  } catch {
    // The connection was closed meanwhile; the next one is given the tracks of its day.
  }
}
