import { trusted } from "../trusted.ts";
import { LossWatch } from "./losses.ts";

/** The built redundancy.worker.ts, beside this module. */
declare const REDUNDANCY_WORKER: string;

/** What the worker is to do from now on: the RTP payload type of redundant sound, or nothing. */
export type Order = { payloadType: number | null };

/**
 * Sends sound with more redundancy while much of it is lost on the way to the server. Browsers let that be
 * done only with a sender whose transform (W3C WebRTC Encoded Transform) was there from the beginning.
 */
export class DeeperSound {
  readonly #losses: LossWatch;
  readonly #worker: Worker | null;
  #deep = false;

  /** @param able whether the sender, just made, gets the transform: not everybody is to have a worker for it */
  constructor(
    private readonly sender: RTCRtpSender,
    able: boolean,
  ) {
    this.#worker = able ? attach(sender) : null;
    this.#losses = new LossWatch(able);
  }

  /** Whether so much is lost that it is worth another connection, one that is able to do something about it. */
  get wanted(): boolean {
    return this.#worker === null && typeof RTCRtpScriptTransform !== "undefined" && this.#losses.much;
  }

  /** Reads a measurement of the connection. */
  read(now: number, report: RTCStatsReport): void {
    this.#losses.read(now, report.values() as Iterable<Record<string, unknown>>);
    if (this.#worker === null || this.#losses.some === this.#deep) return;
    this.#deep = this.#losses.some;
    this.#worker.postMessage({ payloadType: this.#deep ? this.#payloadType() : null } satisfies Order);
  }

  /** Lets go of the worker. */
  close(): void {
    this.#worker?.terminate();
  }

  #payloadType(): number | null {
    const red = this.sender.getParameters().codecs.find(({ mimeType }) => mimeType.toLowerCase() === "audio/red");
    return red?.payloadType ?? null;
  }
}

/** Only a script that lies beside this one is a worker of ours. */
const workerAddress = trusted("bedside-worker", "createScriptURL", (address) => {
  if (new URL(".", address).href !== new URL(".", import.meta.url).href) throw new TypeError("no worker of ours");
  return address;
});

function attach(sender: RTCRtpSender): Worker | null {
  if (typeof RTCRtpScriptTransform === "undefined") return null;
  try {
    const worker = new Worker(workerAddress(new URL(REDUNDANCY_WORKER, import.meta.url).href));
    sender.transform = new RTCRtpScriptTransform(worker);
    return worker;
  } catch {
    // A page of another origin may not have this worker: the browser's own redundancy, then.
    return null;
  }
}
