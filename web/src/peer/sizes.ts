/** Sound is in small packets, pictures are in large ones: so much is lost of one and so little of the other. */
const MOST = 0.5;
const LITTLE = 0.1;
/** After so many measurements of that, of two a second, the network drops packets for their size. */
const ENOUGH = 6;
/** What a measurement without that takes back. */
const FADES = 0.5;
/** So long, in milliseconds, may the server say nothing about what it gets of a picture that is sent. */
const UNREPORTED = 2_500;
/** Sound is reported on every two seconds: for so long, in milliseconds, a report on it holds. */
const HEARD_FOR = 4_500;
/** So few packets need not have been reported. */
const FEW = 10;

/** What of one kind of media came, or was lost, so far. */
interface Totals {
  received: number;
  lost: number;
  decoded: number;
  /** Requests to repeat what was lost. */
  asked: number;
  /** What was repeated, and came. */
  repeated: number;
}

/** What is known of what the page sends of a kind. */
interface Sent {
  packets: number;
  /** The share that the server lost. */
  lost: number;
  /** When the server last said so, by the browser's clock. */
  reported: number;
}

/** What was sent and when, as the server last reported on the picture. */
interface Reported {
  at: number;
  now: number;
  packets: number;
}

/**
 * Finds out whether only small packets get through. Behind a tunnel with a small MTU whose ICMP messages are dropped,
 * sound passes, and large pieces of pictures vanish with every repetition. Senders take that for a narrow network, and
 * make pictures so small that most pass: what stays is that nothing that was repeated ever comes.
 */
export class SizeWatch {
  #before: { audio: Totals; video: Totals } | null = null;
  #reported: Reported = { at: -1, now: 0, packets: 0 };
  #heard: { at: number; now: number } = { at: -1, now: 0 };
  /** Whether this browser says what was repeated. */
  #counts = false;
  #up = 0;
  #down = 0;

  /** Whether it is so. */
  get cramped(): boolean {
    return this.#up >= ENOUGH || this.#down >= ENOUGH;
  }

  /** Reads what `getStats()` says, twice a second. */
  read(now: number, report: Iterable<Record<string, unknown>>): void {
    const entries = [...report];
    const down = this.#isDownCramped(entries);
    // Where repetitions are counted one that came tells otherwise, and nothing else needs to.
    const fades = this.#counts ? 0.1 : FADES;
    this.#down = down === null ? 0 : Math.max(0, this.#down + (down ? 1 : -fades));
    this.#up = Math.max(0, this.#up + (this.#isUpCramped(now, entries) ? 1 : -FADES));
  }

  /** `null`: it is certainly not so, for a repetition that came has the size of what was lost. */
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
    // Firefox does not say what was repeated, nor how much it could send.
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
    // Where the server hears no sound either, the path is dead, or one way.
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
