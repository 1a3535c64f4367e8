/** Traffic counters of a connection. */
export interface Counters {
  /** Packets. */
  sent: number;
  /** Packets, or bytes if the browser does not count packets: only increases matter. */
  received: number;
  /** DTLS has ended, so nothing can arrive any more. */
  ended: boolean;
}

/** How long the server may send nothing to a page that sends. It answers media with RTCP about every 100 ms. */
const SILENT_AFTER = 1_000;
/** This few packets may be unanswered. */
const ANSWERED = 10;

/**
 * Detects whether packets from the server still arrive. ICE takes seven seconds to detect a dead path; missing packets
 * show it within one.
 */
export class Pulse {
  #received = -1;
  #sent = 0;
  #heard = 0;
  #silent = false;

  /** Processes a measurement. If the page sends nothing, no answer is expected and the last result is kept. */
  read(now: number, { sent, received, ended }: Counters): void {
    if (ended) {
      this.#silent = true;
    } else if (received > this.#received) {
      this.#received = received;
      this.#sent = sent;
      this.#heard = now;
      this.#silent = false;
    } else if (sent - this.#sent >= ANSWERED && now - this.#heard >= SILENT_AFTER) {
      this.#silent = true;
    }
  }

  /** The received count of the last measurement. */
  get received(): number {
    return Math.max(0, this.#received);
  }

  /** Nothing has arrived for a while although it should have. */
  get silent(): boolean {
    return this.#silent;
  }

  /** Whether something arrived within this many milliseconds, as far as measured. */
  heardWithin(now: number, milliseconds: number): boolean {
    return this.#received > 0 && !this.#silent && now - this.#heard <= milliseconds;
  }
}

/**
 * Extracts the counters from a report; `null` if there are none. Chromium counts packets of the transport, Firefox
 * bytes of the selected candidate pair.
 */
export function countersOf(report: RTCStatsReport): Counters | null {
  const entries = [...(report.values() as Iterable<Record<string, unknown>>)];
  const transport = entries.find(({ type }) => type === "transport") ?? {};
  const ended = transport["dtlsState"] === "closed" || transport["dtlsState"] === "failed";
  const { packetsSent: sent, packetsReceived: received } = transport;
  if (typeof sent === "number" && typeof received === "number") return { sent, received, ended };
  const pair = pairInUse(entries, transport["selectedCandidatePairId"]);
  const bytes = pair?.["bytesReceived"];
  const streams = (type: string, counter: string): number | null => {
    const counts = entries.filter((entry) => entry["type"] === type).map((entry) => entry[counter]);
    const known = counts.filter((count) => typeof count === "number");
    return known.length === 0 ? null : known.reduce((sum, count) => sum + count, 0);
  };
  const out = streams("outbound-rtp", "packetsSent");
  const come = typeof bytes === "number" ? bytes : streams("inbound-rtp", "packetsReceived");
  if (come === null) return ended ? { sent: 0, received: 0, ended } : null;
  return { sent: out ?? 0, received: come, ended };
}

/** Returns the selected candidate pair. Firefox marks it; other browsers reference or nominate it. */
export function pairInUse(entries: readonly Record<string, unknown>[], id: unknown): Record<string, unknown> | undefined {
  const pairs = entries.filter(({ type }) => type === "candidate-pair");
  return (
    pairs.find((pair) => id !== undefined && pair["id"] === id) ??
    pairs.find(({ selected }) => selected === true) ??
    pairs.find(({ nominated, state }) => nominated === true && (state === undefined || state === "succeeded"))
  );
}
