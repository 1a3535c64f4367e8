/** The quality of one kind of media in one direction. */
export type Quality = "unknown" | "good" | "weak" | "lost";

/** The quality of audio and video in one direction; `null` if none is expected. */
export interface Flow {
  sound: Quality | null;
  picture: Quality | null;
}

/** Both directions: the user's media at the server, and the other participant's media here. */
export interface Qualities {
  you: Flow;
  other: Flow;
}

/** Whether audio and video are expected in one direction. */
export interface Awaited {
  sound: boolean;
  picture: boolean;
}

/** The media that is expected; other media is not reported as missing. */
export interface Expectation {
  you: Awaited;
  other: Awaited;
  /**
   * Whether the other participant's devices are known to work. If not, media that never arrived is not reported as
   * missing.
   */
  certain: boolean;
  /** The other participant's tracks; empty for all tracks. */
  tracks: ReadonlySet<string>;
}

/** The state before anything is known. */
export const UNKNOWN: Qualities = { you: { sound: "unknown", picture: "unknown" }, other: { sound: "unknown", picture: "unknown" } };

type Kind = "audio" | "video";
type Side = "you" | "other";

/** Counters of the previous measurement. */
interface Counters {
  received: number;
  lost: number;
}

/** Sent media of a kind, up to the server's last receiver report. */
interface Report {
  packets: number;
  at: number;
  unheard: number;
}

const WEAK_LOSS = 0.05;
const WEAK_RTT = 0.4;
/** Bit rate of video below which it is visibly degraded, in bits per second. */
const WEAK_BITRATE = 500_000;
/** This few packets say little about loss, unless most of them are missing. */
const FEW = 20;
/** If packets were sent but not reported in this many measurements, the server receives none. */
const UNHEARD = 3;

/** Rates `getStats()` reports that are taken every two seconds. */
export class QualityMeter {
  /** By stream. */
  #last = new Map<string, Counters>();
  /** The other participant's media received while it was expected. */
  #arrived: Record<Kind, number | null> = { audio: null, video: null };
  /** The user's media sent while it should be. */
  #sent: Record<Kind, Report | null> = { audio: null, video: null };
  #weak = new Map<string, number>();
  #downLoss = 0;

  /** The share of packets lost on the way here in the last measurement, of the stream with the highest loss. */
  get downLoss(): number {
    return this.#downLoss;
  }

  /** Processes one report. */
  read(report: Iterable<Record<string, unknown>>, expected: Expectation): Qualities {
    const entries = [...report];
    this.#downLoss = 0;
    const loss = { audio: 0, video: 0 };
    const arrived = { audio: 0, video: 0 };
    for (const entry of entries) {
      const kind = entry["kind"];
      if (entry["type"] !== "inbound-rtp" || (kind !== "audio" && kind !== "video")) continue;
      // Retransmitted video packets do not count as lost, so audio loss says more.
      const counters = { received: number(entry["packetsReceived"]), lost: number(entry["packetsLost"]) };
      const lost = this.#lossSince(`${kind} ${String(entry["mid"])}`, counters);
      this.#downLoss = Math.max(this.#downLoss, lost);
      const track = entry["trackIdentifier"];
      if (typeof track === "string" && expected.tracks.size > 0 && !expected.tracks.has(track)) continue;
      loss[kind] = Math.max(loss[kind], lost);
      arrived[kind] += counters.received;
    }
    const { roundTrip, limited } = ways(entries);
    const slow = roundTrip > WEAK_RTT;
    const other = (kind: Kind, due: boolean): Quality | null => this.#down(kind, due, expected.certain, arrived[kind], loss[kind]);
    const you = (kind: Kind, due: boolean): Quality | null => this.#up(kind, due, entries, slow || (kind === "video" && limited));
    return {
      you: { sound: you("audio", expected.you.sound), picture: you("video", expected.you.picture) },
      other: { sound: other("audio", expected.other.sound), picture: other("video", expected.other.picture) },
    };
  }

  /** Receiving nothing at all is the worst loss, and the only one that loss counters do not show. */
  #down(kind: Kind, due: boolean, certain: boolean, arrived: number, loss: number): Quality | null {
    const before = this.#arrived[kind];
    this.#arrived[kind] = due ? arrived : null;
    if (!due) return null;
    if (before === null) return "unknown";
    if (arrived === 0 && !certain) return "unknown";
    const silent = arrived === before;
    const word = this.#steady("other", kind, silent || loss > WEAK_LOSS);
    return silent ? "lost" : word;
  }

  #up(kind: Kind, due: boolean, entries: readonly Record<string, unknown>[], slow: boolean): Quality | null {
    const before = this.#sent[kind];
    if (!due) {
      this.#sent[kind] = null;
      return null;
    }
    const of = (type: string): Record<string, unknown>[] => entries.filter((entry) => entry["type"] === type && entry["kind"] === kind);
    const sending = of("outbound-rtp");
    const packets = sending.reduce((sum, entry) => sum + number(entry["packetsSent"]), 0);
    const reports = of("remote-inbound-rtp");
    const at = Math.max(-1, ...reports.map((entry) => number(entry["timestamp"])));
    const known = sending.some((entry) => typeof entry["packetsSent"] === "number");
    const more = packets - (before?.packets ?? packets);
    const silent = before !== null && known && (more === 0 || at === before.at);
    this.#sent[kind] = { packets, at, unheard: silent ? (before?.unheard ?? 0) + 1 : 0 };
    const loss = Math.max(0, ...reports.map((entry) => number(entry["fractionLost"])));
    const word = this.#steady("you", kind, loss > WEAK_LOSS || slow);
    return (this.#sent[kind]?.unheard ?? 0) >= UNHEARD ? "lost" : word;
  }

  #lossSince(stream: string, now: Counters): number {
    const last = this.#last.get(stream) ?? now;
    this.#last.set(stream, now);
    const lost = Math.max(0, now.lost - last.lost);
    const received = Math.max(0, now.received - last.received);
    if (lost + received === 0 || (lost + received < FEW && lost <= received)) return 0;
    return lost / (lost + received);
  }

  /** A single bad report may be chance; two in a row are reported. */
  #steady(side: Side, kind: Kind, weak: boolean): Quality {
    const key = `${side} ${kind}`;
    const count = weak ? (this.#weak.get(key) ?? 0) + 1 : 0;
    this.#weak.set(key, count);
    return count >= 2 ? "weak" : "good";
  }
}

/** The longest round trip, and whether video is limited by bandwidth. */
function ways(entries: readonly Record<string, unknown>[]): { roundTrip: number; limited: boolean } {
  let roundTrip = 0;
  let limited = false;
  let available = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    if (entry["type"] === "remote-inbound-rtp") {
      roundTrip = Math.max(roundTrip, number(entry["roundTripTime"]));
    } else if (entry["type"] === "candidate-pair" && entry["nominated"] === true) {
      roundTrip = Math.max(roundTrip, number(entry["currentRoundTripTime"]));
      available = number(entry["availableOutgoingBitrate"]) || available;
    } else if (entry["type"] === "outbound-rtp" && entry["kind"] === "video") {
      // Chromium also reports "bandwidth" while a small video is growing with bandwidth to spare.
      limited ||= entry["qualityLimitationReason"] === "bandwidth";
    }
  }
  return { roundTrip, limited: limited && available < WEAK_BITRATE };
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
