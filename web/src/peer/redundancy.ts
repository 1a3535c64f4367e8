/** Number of previous packets included in a packet; at 20 ms each this covers a burst of 80 ms. */
const DEPTH = 4;
/** An offset has 14 bits, a length 10 (RFC 2198, section 3). */
const MAX_OFFSET = 0x3fff;
const MAX_LENGTH = 0x3ff;
/** Maximum payload size in bytes, below what every network carries without fragmentation. */
const MAX_BYTES = 1_000;

interface Block {
  /** Payload type. */
  type: number;
  /** Age relative to the packet, in RTP ticks. */
  offset: number;
  bytes: Uint8Array;
}

/**
 * Adds audio redundancy against bursts of packet loss towards the server. A browser sends each packet with a copy of
 * the previous one (RED, RFC 2198), which recovers single losses; this adds copies of more packets.
 */
export class Redundancy {
  /** By RTP timestamp, oldest first. */
  #recent: { timestamp: number; bytes: Uint8Array }[] = [];

  /** Returns the packet with more redundancy, or `null` if it is malformed and should be sent unchanged. */
  deepen(timestamp: number, payload: Uint8Array): Uint8Array | null {
    const blocks = parse(payload);
    const primary = blocks?.at(-1);
    if (blocks === null || primary === undefined || primary.bytes.length === 0) return null;
    for (const { offset, bytes } of blocks) this.#remember((timestamp - offset) >>> 0, bytes);
    const before = this.#recent
      .map((entry) => ({ type: primary.type, offset: (timestamp - entry.timestamp) >>> 0, bytes: entry.bytes }))
      .filter(({ offset, bytes }) => offset >= 1 && offset <= MAX_OFFSET && bytes.length <= MAX_LENGTH)
      .slice(-DEPTH);
    const all = [...before, primary];
    while (all.length > 1 && size(all) > MAX_BYTES) all.shift();
    return write(all);
  }

  #remember(timestamp: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#recent.some((entry) => entry.timestamp === timestamp)) return;
    const later = this.#recent.findIndex((entry) => ((entry.timestamp - timestamp) | 0) > 0);
    this.#recent.splice(later === -1 ? this.#recent.length : later, 0, { timestamp, bytes: bytes.slice() });
    if (this.#recent.length > DEPTH + 1) this.#recent.shift();
  }
}

/** Returns the blocks of a payload, the primary one last. */
function parse(payload: Uint8Array): Block[] | null {
  const headers: { type: number; offset: number; length: number }[] = [];
  let at = 0;
  for (;;) {
    const first = payload[at];
    if (first === undefined) return null;
    if ((first & 0x80) === 0) {
      headers.push({ type: first, offset: 0, length: -1 });
      at += 1;
      break;
    }
    const [high, middle, low] = payload.subarray(at + 1, at + 4);
    if (high === undefined || middle === undefined || low === undefined) return null;
    headers.push({ type: first & 0x7f, offset: (high << 6) | (middle >> 2), length: ((middle & 3) << 8) | low });
    at += 4;
  }
  const blocks: Block[] = [];
  for (const { type, offset, length } of headers) {
    const end = length === -1 ? payload.length : at + length;
    if (end > payload.length) return null;
    blocks.push({ type, offset, bytes: payload.subarray(at, end) });
    at = end;
  }
  return blocks;
}

function size(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { bytes }) => sum + bytes.length, 4 * blocks.length - 3);
}

function write(blocks: readonly Block[]): Uint8Array {
  const payload = new Uint8Array(size(blocks));
  let at = 0;
  for (const { type, offset, bytes } of blocks.slice(0, -1)) {
    payload.set([0x80 | type, offset >> 6, ((offset & 0x3f) << 2) | (bytes.length >> 8), bytes.length & 0xff], at);
    at += 4;
  }
  payload[at] = blocks.at(-1)?.type ?? 0;
  at += 1;
  for (const { bytes } of blocks) {
    payload.set(bytes, at);
    at += bytes.length;
  }
  return payload;
}
