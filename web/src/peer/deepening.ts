import { trusted } from "../trusted.ts";
import { nothing, type Clock } from "../time/clock.ts";
import { LossWatch } from "./losses.ts";

/** The built redundancy.worker.ts, beside this module. */
declare const REDUNDANCY_WORKER: string;

/** A message to the worker: the RTP payload type of redundant audio, or `null` to do nothing. */
export type Order = { payloadType: number | null };

/** Timeout for loading and starting the worker. */
const START_WITHIN = 5_000;
/** After this many measurements without an audio packet, the transform is considered to block audio. */
const STIFLED_AFTER = 5;

/** Only a script in the same folder as this one is accepted. */
const workerAddress = trusted("bedside-worker", "createScriptURL", (address) => {
  if (new URL(".", address).href !== new URL(".", import.meta.url).href) throw new TypeError("unexpected worker URL");
  return address;
});

/**
 * Starts the worker that adds audio redundancy. Returns `null` if it does not start, e.g. because an upgraded server no
 * longer has this script. A transform without a running worker would block all audio, so the worker must confirm that
 * it runs before any sender uses it.
 */
export async function startWorker(clock: Clock): Promise<Worker | null> {
  if (typeof RTCRtpScriptTransform === "undefined") return null;
  let worker: Worker;
  try {
    worker = new Worker(workerAddress(new URL(REDUNDANCY_WORKER, import.meta.url).href));
  } catch {
    // Pages of another origin cannot load this worker and use only the browser's own redundancy.
    return null;
  }
  const runs = await new Promise<boolean>((settle) => {
    const stop = clock.after(START_WITHIN, () => settle(false));
    worker.onmessage = () => (stop(), settle(true));
    worker.onerror = () => (stop(), settle(false));
  });
  worker.onmessage = worker.onerror = null;
  if (!runs) worker.terminate();
  return runs ? worker : null;
}

/**
 * Sends audio with more redundancy during heavy packet loss towards the server. Browsers allow this only for senders
 * whose transform (W3C WebRTC Encoded Transform) was set from the beginning.
 */
export class DeeperSound {
  readonly #losses: LossWatch;
  #worker: Worker | null;
  readonly #given: boolean;
  #deep = false;
  #sent = -1;
  #still = 0;

  /** @param worker the worker for the transform of the new sender; not every page needs one */
  constructor(
    private readonly sender: RTCRtpSender,
    worker: Worker | null,
  ) {
    this.#given = worker !== null;
    this.#worker = worker !== null && attach(sender, worker) ? worker : null;
    this.#losses = new LossWatch(this.#worker !== null);
  }

  /** Whether the loss justifies another connection that can add redundancy. */
  get wanted(): boolean {
    const able = typeof RTCRtpScriptTransform !== "undefined" && this.#payloadType() !== null;
    return !this.#given && able && this.#losses.much;
  }

  /** Whether the transform blocks audio, so that the connection must be replaced by one without it. */
  get stifles(): boolean {
    return this.#still >= STIFLED_AFTER;
  }

  /** Processes a measurement of the connection. */
  read(now: number, report: RTCStatsReport): void {
    this.#losses.read(now, report.values() as Iterable<Record<string, unknown>>);
    this.#prove(report);
    if (this.#worker === null || this.#losses.some === this.#deep) return;
    this.#deep = this.#losses.some;
    this.#worker.postMessage({ payloadType: this.#deep ? this.#payloadType() : null } satisfies Order);
  }

  /** Checks that audio is sent. A muted microphone sends silence, which also counts. */
  #prove(report: RTCStatsReport): void {
    const { track } = this.sender;
    const due = this.#worker !== null && track !== null && track.readyState !== "ended" && !track.muted;
    let sent = -1;
    for (const { type, kind, packetsSent } of report.values() as Iterable<Record<string, unknown>>) {
      if (type === "outbound-rtp" && kind === "audio" && typeof packetsSent === "number") sent = Math.max(0, sent) + packetsSent;
    }
    this.#still = due && sent !== -1 && sent === this.#sent ? this.#still + 1 : 0;
    this.#sent = sent;
    if (!this.stifles) return;
    this.#worker = null;
    // Where the browser allows removing the transform, audio resumes before the other connection is up.
    if ("transform" in this.sender) this.sender.transform = null;
  }

  #payloadType(): number | null {
    const red = this.sender.getParameters().codecs?.find(({ mimeType }) => mimeType.toLowerCase() === "audio/red");
    return red?.payloadType ?? null;
  }
}

function attach(sender: RTCRtpSender, worker: Worker): boolean {
  try {
    sender.transform = new RTCRtpScriptTransform(worker);
    return true;
  } catch {
    return false;
  }
}

/** One worker for all connections of a page, started on demand. */
export class SoundWorker {
  #state: "none" | "starting" | "runs" | "failed" = "none";
  #worker: Worker | null = null;
  #turn = 0;

  constructor(private readonly clock: Clock) {}

  /** The worker, if it runs. */
  get running(): Worker | null {
    return this.#worker;
  }

  /** Starts the worker once. Calls `ready` when it runs, `lost` if it fails later. */
  start(ready: () => void, lost: () => void): void {
    if (this.#state !== "none") return;
    this.#state = "starting";
    const turn = this.#turn;
    void startWorker(this.clock).then((worker) => {
      if (turn !== this.#turn) return worker?.terminate();
      this.#state = worker === null ? "failed" : "runs";
      this.#worker = worker;
      if (worker === null) return;
      worker.onerror = () => (this.fail(), lost());
      ready();
    }, nothing);
  }

  /** The worker failed, so no connection uses it any more. */
  fail(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#state = "failed";
  }

  /** Releases the worker. */
  close(): void {
    this.#turn += 1;
    this.#worker?.terminate();
    this.#worker = null;
    this.#state = "none";
  }
}
