/** A plain word on a connection. */
export type Quality = "unknown" | "good" | "weak" | "lost";

/** Both directions: what of ours arrives at the server, and what of theirs arrives here. */
export interface Qualities {
  you: Quality;
  other: Quality;
}

/** What one measurement left for the next to compare with. */
interface Counters {
  received: number;
  lost: number;
}

const WEAK_LOSS = 0.05;
const WEAK_RTT = 0.4;
/** Below this a picture is visibly reduced, bits a second. */
const WEAK_BITRATE = 500_000;

/** Turns `getStats()` reports, taken every two seconds, into words. */
export class QualityMeter {
  /** By stream. */
  #last = new Map<string, Counters>();
  #weak = { you: 0, other: 0 };
  #downLoss = 0;

  /** The share of packets that was lost on the way here, last time, of the stream that lost most. */
  get downLoss(): number {
    return this.#downLoss;
  }

  /** Reads one report. */
  read(report: Iterable<Record<string, unknown>>): Qualities {
    let downLoss = 0;
    let upLoss = 0;
    let rtt = 0;
    let limited = false;
    let available = Number.POSITIVE_INFINITY;
    for (const entry of report) {
      if (entry["type"] === "remote-inbound-rtp") {
        upLoss = Math.max(upLoss, number(entry["fractionLost"]));
        rtt = Math.max(rtt, number(entry["roundTripTime"]));
      } else if (entry["type"] === "candidate-pair" && entry["nominated"] === true) {
        rtt = Math.max(rtt, number(entry["currentRoundTripTime"]));
        available = number(entry["availableOutgoingBitrate"]) || available;
      } else if (entry["type"] === "outbound-rtp" && entry["kind"] === "video") {
        // Chromium also says "bandwidth" while a picture that began small grows, with bandwidth to spare.
        limited ||= entry["qualityLimitationReason"] === "bandwidth";
      } else if (entry["type"] === "inbound-rtp") {
        // What was lost of a picture is sent again, and then does not count as lost: sound says more.
        const counters = { received: number(entry["packetsReceived"]), lost: number(entry["packetsLost"]) };
        downLoss = Math.max(downLoss, this.#lossSince(`${String(entry["kind"])} ${String(entry["mid"])}`, counters));
      }
    }
    this.#downLoss = downLoss;
    return {
      you: this.#steady("you", upLoss > WEAK_LOSS || rtt > WEAK_RTT || (limited && available < WEAK_BITRATE)),
      other: this.#steady("other", downLoss > WEAK_LOSS),
    };
  }

  #lossSince(stream: string, now: Counters): number {
    const last = this.#last.get(stream) ?? now;
    this.#last.set(stream, now);
    const lost = Math.max(0, now.lost - last.lost);
    const received = Math.max(0, now.received - last.received);
    return lost + received < 20 ? 0 : lost / (lost + received);
  }

  /** One bad report is weather; two in a row are worth a word. */
  #steady(side: "you" | "other", weak: boolean): Quality {
    this.#weak[side] = weak ? this.#weak[side] + 1 : 0;
    return this.#weak[side] >= 2 ? "weak" : "good";
  }
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
