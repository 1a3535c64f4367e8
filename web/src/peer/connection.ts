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
 * While waiting: enough to keep the path and its bandwidth estimate alive with little data usage. The frame rate is
 * kept, so that the encoder is running when the call starts.
 */
const WARM: Pace = { maxBitrate: 100_000, scaleResolutionDownBy: 4 };
/**
 * Transition to the call: the bit rate first. An encoder given a full-size picture while it has bits for a small one
 * downscales it itself, and then takes twenty seconds to grow.
 */
const RISING: Pace = { ...FULL, scaleResolutionDownBy: WARM.scaleResolutionDownBy };
/**
 * From half a megabit per second, libwebrtc does not downscale 720p. After the timeout, the full size is used in any
 * case.
 */
const ENOUGH = 550_000;
const RISEN_AFTER = 2_000;
const LOOK_EVERY = 100;

/** Bit rate of a bandwidth probe in bits per second: video, audio and some margin. */
const PROBE = 2_200_000;

/** How long libwebrtc may take to increase the resolution itself. */
const GROW_AGAIN = 4_000;

interface Pace {
  maxBitrate: number;
  scaleResolutionDownBy: number;
}

/** Jitter buffer targets in milliseconds. */
export type Wait = Readonly<Record<"audio" | "video", number>>;

/** The configuration with which an `RTCPeerConnection` for a {@link Connection} must be created. */
export const CONFIGURATION: RTCConfiguration = { bundlePolicy: "max-bundle" };

/** What a connection is created for. */
export interface Shape {
  /** The number of other participants it can receive. */
  people: number;
  /** Whether video goes to more than one participant, and so uses simulcast if the browser supports it. */
  several: boolean;
  /** Whether it follows the device between networks, over UDP only. */
  roams: boolean;
  /** Whether to use only TCP, if the server supports it. */
  tcp: boolean;
}

/**
 * One `RTCPeerConnection` to the server with fixed media sections: the user's audio and video, and audio and video of
 * each other participant. Devices change by replacing tracks, so that no renegotiation is needed. More participants
 * need another connection.
 */
export class Connection {
  /** Whether packets from the server arrive. */
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
  /** Whether video is sent with simulcast, and which layers are used. */
  readonly #layered: boolean;
  #wanted: ReadonlySet<Layer> = ALL;

  /**
   * @param number the connection's number in signalling
   * @param shape what it is created for
   * @param pc a new connection, created with {@link CONFIGURATION}
   * @param worker the worker that adds audio redundancy under packet loss; `null` for none
   */
  constructor(
    readonly number: number,
    readonly shape: Shape,
    readonly pc: RTCPeerConnection,
    private readonly clock: Clock,
    capabilities: Capabilities,
    worker: Worker | null,
  ) {
    const { people, several } = shape;
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

  /** Returns `null` if the browser does not support simulcast. */
  #addLayered(): RTCRtpTransceiver | null {
    try {
      return this.pc.addTransceiver("video", { direction: "sendonly", sendEncodings: encodings() });
    } catch {
      return null;
    }
  }

  /** Sets the tracks to send. `null` sends nothing in that section. */
  async send(sound: MediaStreamTrack | null, picture: MediaStreamTrack | null): Promise<void> {
    await Promise.all([replace(this.#sound.sender, sound), replace(this.#picture.sender, picture)]);
  }

  /** Switches between the full video and just enough to keep the path alive. */
  async pace(full: boolean): Promise<void> {
    if (this.#full === full) return;
    this.#full = full;
    this.#stopRising();
    await this.#begin();
  }

  /** Sets which simulcast layers are used by receivers. */
  async want(layers: readonly Layer[]): Promise<void> {
    this.#wanted = new Set(layers);
    if (this.#layered) await this.#tune(FULL);
  }

  async #begin(): Promise<void> {
    await this.#tune(this.#full ? RISING : WARM);
    if (this.#full && !this.#layered) this.#rise(this.clock.now());
  }

  /** Creates an offer. Returns the same one again if the last offer was never answered. */
  async offer(): Promise<string> {
    if (this.pc.signalingState === "stable") await this.pc.setLocalDescription(await this.pc.createOffer());
    return this.pc.localDescription?.sdp ?? "";
  }

  /** Applies the server's answer and the assignment of sections to users. */
  async answer(sdp: string, tracks: readonly Track[]): Promise<void> {
    this.#answer = this.shape.tcp ? withoutUdp(sdp) : sdp;
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.#answer });
    const received = new Map<UserId, MediaStreamTrack[]>();
    for (const { mid, receiver } of this.pc.getTransceivers()) {
      const user = tracks.find((track) => track.mid === mid)?.user;
      if (user !== undefined) received.set(user, [...(received.get(user) ?? []), receiver.track]);
    }
    this.#received = received;
    await this.#begin();
  }

  /** The tracks of each other participant. */
  get received(): ReadonlyMap<UserId, readonly MediaStreamTrack[]> {
    return this.#received;
  }

  /** Sets the minimum jitter buffer targets; `null` for the browser's default. */
  hold(wait: Wait | null): void {
    for (const receiver of this.pc.getReceivers()) {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = wait?.[receiver.track.kind as keyof Wait] ?? null;
    }
  }

  /** Whether there is heavy audio loss towards the server that this connection cannot counter. */
  get lossy(): boolean {
    return this.#deeper.wanted;
  }

  /** Whether the transform blocks outgoing audio, so that a connection without it is needed. */
  get stifled(): boolean {
    return this.#deeper.stifles;
  }

  /** Whether only small packets get through, e.g. because a tunnel drops large ones. */
  get cramped(): boolean {
    return this.#sizes.cramped && !this.shape.tcp;
  }

  /** Whether a path was found but DTLS has not completed over it. */
  get unsealed(): boolean {
    const { iceConnectionState, connectionState } = this.pc;
    return connectionState !== "connected" && (iceConnectionState === "connected" || iceConnectionState === "completed");
  }

  /** Whether media gets through, as far as known. */
  get carries(): boolean {
    return this.pc.connectionState === "connected" && !this.pulse.silent;
  }

  /** Measures whether packets from the server arrive, and whether video lacks bandwidth. */
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

  /** Whether the encoder downscales the camera's picture because it lacked bandwidth earlier. */
  #isSmall(report: RTCStatsReport): boolean {
    const { frameHeight, qualityLimitationReason } = encodersOf(report)[0] ?? {};
    const whole = this.#picture.sender.track?.getSettings?.().height;
    const comparable = typeof frameHeight === "number" && typeof whole === "number";
    return qualityLimitationReason === "bandwidth" && comparable && frameHeight < 0.9 * whole;
  }

  /** Makes libwebrtc reset its downscaling: switching away from "balanced" and back restarts it. */
  async #grow(now: number): Promise<void> {
    if (now - this.#grown < GROW_AGAIN) return;
    this.#grown = now;
    await this.#tune(FULL, "maintain-framerate");
    await this.#tune(FULL);
  }

  /** Renegotiates locally with a higher bandwidth limit, without the server. */
  async #probe(): Promise<void> {
    if (this.pc.signalingState !== "stable" || this.#answer === "") return;
    this.#bound += 1_000;
    const sdp = bounded(this.#answer, this.#picture.mid ?? "", this.#bound);
    try {
      await this.pc.setLocalDescription(await this.pc.createOffer());
      await this.pc.setRemoteDescription({ type: "answer", sdp });
    } catch {
      // If the browser refuses, the bandwidth estimate grows automatically, but later.
    }
  }

  /** Releases everything. */
  close(): void {
    this.#stopRising();
    this.pc.onconnectionstatechange = this.pc.oniceconnectionstatechange = null;
    this.pc.close();
  }

  /** Switches to full-size video once there is enough bandwidth. */
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

  /**
   * Applies a pace, or the layers' own with simulcast. With "balanced", resolution and frame rate are reduced together
   * under load.
   */
  async #tune(pace: Pace, degradationPreference: RTCDegradationPreference = "balanced"): Promise<void> {
    const sender = this.#picture.sender;
    try {
      const parameters = sender.getParameters();
      const tuned = (encoding: RTCRtpEncodingParameters): RTCRtpEncodingParameters =>
        this.#layered ? paced(encoding, this.#full, this.#wanted) : { ...encoding, ...pace };
      const encodings = parameters.encodings.map(tuned);
      await sender.setParameters({ ...parameters, encodings, degradationPreference } as RTCRtpSendParameters);
    } catch {
      // Before the answer, parameters cannot be set, and are set afterwards. Otherwise the browser's defaults are fine.
    }
  }
}

/** Returns the statistics of the video encoders, one per layer. */
function encodersOf(report: RTCStatsReport | undefined): Record<string, unknown>[] {
  const entries = [...((report?.values() ?? []) as Iterable<Record<string, unknown>>)];
  return entries.filter(({ type, kind, active }) => type === "outbound-rtp" && kind === "video" && active !== false);
}

/**
 * Returns the total target bit rate of the video encoders in bits per second; `null` if the browser does not report it.
 */
function bitsFor(report: RTCStatsReport | undefined): number | null {
  const targets = encodersOf(report).map(({ targetBitrate }) => targetBitrate).filter((target) => typeof target === "number");
  return targets.length === 0 ? null : targets.reduce((sum, target) => sum + target, 0);
}

/** Removes UDP candidates from the server's answer if it has others. */
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
    // The connection was closed in the meantime. The next one gets the current tracks.
  }
}
