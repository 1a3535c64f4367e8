/** Audio uses small packets and video large ones: thresholds of loss for large and for small packets. */
const MOST = 0.5;
const LITTLE = 0.1;
/** After this many such measurements, at two per second, the network is considered to drop large packets. */
const ENOUGH = 6;
/** How much a measurement without these symptoms counts against them. */
const FADES = 0.5;
/** Maximum time in milliseconds without a receiver report for video that is sent. */
const UNREPORTED = 2_500;
/** Receiver reports for audio arrive every two seconds; each is valid for this many milliseconds. */
const HEARD_FOR = 4_500;
/** This few packets may be unreported. */
const FEW = 10;

/** Cumulative counters of one kind of media. */
interface Totals {
  received: number;
  lost: number;
  decoded: number;
  /** Retransmissions requested. */
  asked: number;
  /** Retransmissions received. */
  repeated: number;
}

/** Sent media of a kind. */
interface Sent {
  packets: number;
  /** The share lost according to the server. */
  lost: number;
  /** When the server last reported it, by the browser's clock. */
  reported: number;
}

/** Packets sent by the time of the server's last report on video. */
interface Reported {
  at: number;
  now: number;
  packets: number;
}

/**
 * Detects that only small packets get through. Behind a tunnel with a small MTU whose ICMP messages are dropped, audio
 * passes, while large video packets are lost including all retransmissions. Senders treat that as low bandwidth and
 * reduce video until most packets pass; the remaining symptom is that no retransmission ever arrives.
 */
export class SizeWatch {
  #before: { audio: Totals; video: Totals } | null = null;
  #reported: Reported = { at: -1, now: 0, packets: 0 };
  #heard: { at: number; now: number } = { at: -1, now: 0 };
  /** Whether this browser reports retransmissions. */
  #counts = false;
  #up = 0;
  #down = 0;

  /** Whether large packets are dropped. */
  get cramped(): boolean {
    return this.#up >= ENOUGH || this.#down >= ENOUGH;
  }

  /** Processes a `getStats()` report, twice a second. */
  read(now: number, report: Iterable<Record<string, unknown>>): void {
    const entries = [...report];
    const down = this.#isDownCramped(entries);
    // If retransmissions are counted, one that arrives disproves it, and nothing else is needed.
    const fades = this.#counts ? 0.1 : FADES;
    this.#down = down === null ? 0 : Math.max(0, this.#down + (down ? 1 : -fades));
    this.#up = Math.max(0, this.#up + (this.#isUpCramped(now, entries) ? 1 : -FADES));
  }

  /**
   * Returns `null` if it is certainly not so, because a retransmission of a lost packet arrived, which has the same
   * size.
   */
  #isDownCramped(entries: readonly Record<string, unknown>[]): boolean | null {
    const now = { audio: totals(entries, "audio"), video: totals(entries, "video") };
    const before = this.#before;
    this.#before = now;
    if (before === null) return false;
    const since = (kind: "audio" | "video"): Totals => ({
      received: now[kind].received - before[kind].received,
      lost: Math.max(0, now[kind].lost - before[kind].lost),
      decoded: now[kind].decoded - before[kind].decoded,
      asked: now[kind].asked - before[kind].asked,
      repeated: now[kind].repeated - before[kind].repeated,
    });
    const [audio, video] = [since("audio"), since("video")];
    if (video.repeated > 0) return null;
    if (audio.received < FEW || share(audio) > LITTLE) return false;
    // Firefox reports neither retransmissions nor available bandwidth.
    this.#counts ||= entries.some((entry) => typeof entry["availableOutgoingBitrate"] === "number");
    if (this.#counts && audio.lost === 0 && video.asked > 0) return true;
    return video.received > 0 && video.decoded === 0 && share(video) > MOST;
  }

  #isUpCramped(now: number, entries: readonly Record<string, unknown>[]): boolean {
    const [audio, video] = [sent(entries, "audio"), sent(entries, "video")];
    if (video.reported !== this.#reported.at || video.packets < this.#reported.packets) {
      this.#reported = { at: video.reported, now, packets: video.packets };
    }
    if (audio.reported !== this.#heard.at) this.#heard = { at: audio.reported, now };
    // If the server receives no audio either, the path is dead in one or both directions.
    if (audio.reported < 0 || audio.lost > LITTLE || now - this.#heard.now > HEARD_FOR) return false;
    const silent = now - this.#reported.now >= UNREPORTED && video.packets - this.#reported.packets >= FEW;
    return silent || (video.reported >= 0 && video.lost > MOST);
  }
}

function share({ received, lost }: Totals): number {
  return lost + received === 0 ? 0 : lost / (lost + received);
}

function totals(entries: readonly Record<string, unknown>[], kind: string): Totals {
  const all: Totals = { received: 0, lost: 0, decoded: 0, asked: 0, repeated: 0 };
  for (const entry of entries) {
    if (entry["type"] !== "inbound-rtp" || entry["kind"] !== kind) continue;
    all.received += number(entry["packetsReceived"]);
    all.lost += number(entry["packetsLost"]);
    all.decoded += number(entry["framesDecoded"]);
    all.asked += number(entry["nackCount"]);
    all.repeated += number(entry["retransmittedPacketsReceived"]);
  }
  return all;
}

function sent(entries: readonly Record<string, unknown>[], kind: string): Sent {
  const all: Sent = { packets: 0, lost: 0, reported: -1 };
  for (const entry of entries) {
    if (entry["kind"] !== kind) continue;
    if (entry["type"] === "outbound-rtp") all.packets += number(entry["packetsSent"]);
    if (entry["type"] !== "remote-inbound-rtp") continue;
    all.lost = Math.max(all.lost, number(entry["fractionLost"]));
    all.reported = Math.max(all.reported, number(entry["timestamp"]));
  }
  return all;
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
