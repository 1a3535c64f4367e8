/** What a connection has carried so far. */
export interface Counters {
  /** Packets. */
  sent: number;
  /** Packets, or bytes where the browser counts no packets: only whether it grows matters. */
  received: number;
  /** DTLS has ended: nothing can come any more. */
  ended: boolean;
}

/** How long the server may say nothing to a page that sends. It answers media with RTCP every 100 ms or so. */
const SILENT_AFTER = 1_000;
/** So few packets need not have been answered. */
const ANSWERED = 10;

/**
 * Whether the server is still heard. ICE takes seven seconds to say that a path is dead; the packets
 * that do not come any more say it in one.
 */
export class Pulse {
  #received = -1;
  #sent = 0;
  #heard = 0;
  #silent = false;

  /** Reads a measurement. A page that sends nothing is owed nothing: then the last word stands. */
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

  /** What has come, as far as was measured. */
  get received(): number {
    return Math.max(0, this.#received);
  }

  /** Nothing has come for a while, though it should have. */
  get silent(): boolean {
    return this.#silent;
  }

  /** Whether something came within these milliseconds, as far as was measured. */
  heardWithin(now: number, milliseconds: number): boolean {
    return this.#received > 0 && !this.#silent && now - this.#heard <= milliseconds;
  }
}

/**
 * What a report says that the connection has carried; `null`: nothing. Chromium counts packets of the transport, Firefox
 * bytes of the candidate pair in use.
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

/** The candidate pair that is sent over. Firefox marks it, others name it or nominate one. */
export function pairInUse(entries: readonly Record<string, unknown>[], id: unknown): Record<string, unknown> | undefined {
  const pairs = entries.filter(({ type }) => type === "candidate-pair");
  return (
    pairs.find((pair) => id !== undefined && pair["id"] === id) ??
    pairs.find(({ selected }) => selected === true) ??
    pairs.find(({ nominated, state }) => nominated === true && (state === undefined || state === "succeeded"))
  );
}
