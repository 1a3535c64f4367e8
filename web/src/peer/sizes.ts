/** Sound is in small packets, pictures are in large ones: so much is lost of one and so little of the other. */
const MOST = 0.5;
const LITTLE = 0.1;
/** After so many measurements of that, of two a second, the network drops packets for their size. */
const ENOUGH = 8;
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
 * sound passes, and pictures vanish with every repetition.
 */
export class SizeWatch {
  #before: { audio: Totals; video: Totals } | null = null;
  #reported: Reported = { at: -1, now: 0, packets: 0 };
  #heard: { at: number; now: number } = { at: -1, now: 0 };
  #score = 0;

  /** Whether it is so. */
  get cramped(): boolean {
    return this.#score >= ENOUGH;
  }

  /** Reads what `getStats()` says, twice a second. */
  read(now: number, report: Iterable<Record<string, unknown>>): void {
    const entries = [...report];
    const bad = this.#isDownCramped(entries) || this.#isUpCramped(now, entries);
    this.#score = Math.max(0, this.#score + (bad ? 1 : -0.5));
  }

  #isDownCramped(entries: readonly Record<string, unknown>[]): boolean {
    const now = { audio: totals(entries, "audio"), video: totals(entries, "video") };
    const before = this.#before;
    this.#before = now;
    if (before === null) return false;
    const since = (kind: "audio" | "video"): Totals => ({
      received: now[kind].received - before[kind].received,
      lost: Math.max(0, now[kind].lost - before[kind].lost),
      decoded: now[kind].decoded - before[kind].decoded,
    });
    const [audio, video] = [since("audio"), since("video")];
    if (audio.received < FEW || share(audio) > LITTLE) return false;
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
  const all: Totals = { received: 0, lost: 0, decoded: 0 };
  for (const entry of entries) {
    if (entry["type"] !== "inbound-rtp" || entry["kind"] !== kind) continue;
    all.received += number(entry["packetsReceived"]);
    all.lost += number(entry["packetsLost"]);
    all.decoded += number(entry["framesDecoded"]);
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
