/**
 * Loss above which audio needs more redundancy than the browser's own, which recovers only single losses, and how long
 * it is kept after the last such loss. More bandwidth for audio leaves less for video.
 */
const SOME = 0.1;
const SHELTER = 10_000;
/** Loss above which another connection is justified. */
const MUCH = 0.16;
/** Weight of a measurement, at two per second: loss is averaged over about three seconds. */
const WEIGHT = 0.15;
/**
 * A round trip this much longer than the shortest one, in seconds, indicates a queue, which more bandwidth would
 * lengthen.
 */
const QUEUE = 0.3;

/** Detects packet loss towards the server that is not caused by congestion. */
export class LossWatch {
  #now = 0;
  #until: number;
  #lost = 0;
  #much = false;
  #shortest = Number.POSITIVE_INFINITY;

  /** @param lossy whether loss is already known */
  constructor(lossy: boolean) {
    this.#until = lossy ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** Processes a `getStats()` report, twice a second. */
  read(now: number, report: Iterable<Record<string, unknown>>): void {
    let lost = 0;
    // With packet loss, some round trips are measured too long; a queue makes all of them long.
    let roundTrip = Number.POSITIVE_INFINITY;
    for (const { type, kind, fractionLost, roundTripTime, currentRoundTripTime } of report) {
      if (type === "remote-inbound-rtp" && kind === "audio" && typeof fractionLost === "number") lost = fractionLost;
      for (const measured of [roundTripTime, currentRoundTripTime]) {
        if (typeof measured === "number" && measured > 0) roundTrip = Math.min(roundTrip, measured);
      }
    }
    this.#now = now;
    this.#shortest = Math.min(this.#shortest, roundTrip);
    const queue = roundTrip - this.#shortest > QUEUE;
    this.#lost += (lost - this.#lost) * WEIGHT;
    this.#much = this.#lost >= MUCH && !queue;
    if (queue) this.#until = Number.NEGATIVE_INFINITY;
    else if (this.#lost >= SOME || this.#until === Number.POSITIVE_INFINITY) this.#until = now + SHELTER;
  }

  /** Whether packets are or were recently lost. */
  get some(): boolean {
    return this.#now < this.#until;
  }

  /** Whether there is heavy loss. */
  get much(): boolean {
    return this.#much;
  }
}
