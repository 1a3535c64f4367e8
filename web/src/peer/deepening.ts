import { trusted } from "../trusted.ts";
import { nothing, type Clock } from "../time/clock.ts";
import { LossWatch } from "./losses.ts";

/** The built redundancy.worker.ts, beside this module. */
declare const REDUNDANCY_WORKER: string;

/** What the worker is to do from now on: the RTP payload type of redundant sound, or nothing. */
export type Order = { payloadType: number | null };

/** How long a worker may take to load its script and say that it runs. */
const START_WITHIN = 5_000;
/** After so many measurements without a packet of sound the transform holds the sound back. */
const STIFLED_AFTER = 5;

/** Only a script that lies beside this one is a worker of ours. */
const workerAddress = trusted("bedside-worker", "createScriptURL", (address) => {
  if (new URL(".", address).href !== new URL(".", import.meta.url).href) throw new TypeError("no worker of ours");
  return address;
});

/**
 * Starts the worker that adds redundancy to sound. `null`: it does not run here, for example because the server was
 * upgraded and no longer has this script. A transform without a running worker would hold all sound back for good,
 * so the worker has to say that it runs before any sender gets one.
 */
export async function startWorker(clock: Clock): Promise<Worker | null> {
  if (typeof RTCRtpScriptTransform === "undefined") return null;
  let worker: Worker;
  try {
    worker = new Worker(workerAddress(new URL(REDUNDANCY_WORKER, import.meta.url).href));
  } catch {
    // A page of another origin may not have this worker: the browser's own redundancy, then.
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
 * Sends sound with more redundancy while much of it is lost on the way to the server. Browsers let that be
 * done only with a sender whose transform (W3C WebRTC Encoded Transform) was there from the beginning.
 */
export class DeeperSound {
  readonly #losses: LossWatch;
  #worker: Worker | null;
  readonly #given: boolean;
  #deep = false;
  #sent = -1;
  #still = 0;

  /** @param worker what the sender, just made, is transformed by: not every page is to have a worker for it */
  constructor(
    private readonly sender: RTCRtpSender,
    worker: Worker | null,
  ) {
    this.#given = worker !== null;
    this.#worker = worker !== null && attach(sender, worker) ? worker : null;
    this.#losses = new LossWatch(this.#worker !== null);
  }

  /** Whether so much is lost that it is worth another connection, one that is able to do something about it. */
  get wanted(): boolean {
    const able = typeof RTCRtpScriptTransform !== "undefined" && this.#payloadType() !== null;
    return !this.#given && able && this.#losses.much;
  }

  /** Whether the transform holds the sound back: the connection has to be replaced by one without it. */
  get stifles(): boolean {
    return this.#still >= STIFLED_AFTER;
  }

  /** Reads a measurement of the connection. */
  read(now: number, report: RTCStatsReport): void {
    this.#losses.read(now, report.values() as Iterable<Record<string, unknown>>);
    this.#prove(report);
    if (this.#worker === null || this.#losses.some === this.#deep) return;
    this.#deep = this.#losses.some;
    this.#worker.postMessage({ payloadType: this.#deep ? this.#payloadType() : null } satisfies Order);
  }

  /** Sound that is to be sent has to leave: a muted microphone sends silence, which is packets too. */
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
    // Where a browser can do without a transform again, sound comes back before the other connection is there.
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

/** One worker for all connections of a page, started when one of them needs it. */
export class SoundWorker {
  #state: "none" | "starting" | "runs" | "failed" = "none";
  #worker: Worker | null = null;
  #turn = 0;

  constructor(private readonly clock: Clock) {}

  /** The worker, if it runs. */
  get running(): Worker | null {
    return this.#worker;
  }

  /** Starts it, once. `ready` is called if it runs, `lost` if it fails later. */
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

  /** It does not do what it should: no connection gets it any more. */
  fail(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#state = "failed";
  }

  /** Lets go of it. */
  close(): void {
    this.#turn += 1;
    this.#worker?.terminate();
    this.#worker = null;
    this.#state = "none";
  }
}
