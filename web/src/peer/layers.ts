import type { Layer } from "../signalling/messages.ts";

/** The sizes in which a picture is sent to more than one, the smallest first, and what each may take, in bits a second. */
const SIZES: Readonly<Record<Layer, { scaleResolutionDownBy: number; maxBitrate: number }>> = {
  q: { scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  h: { scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  f: { scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
};

const LAYERS = Object.keys(SIZES) as Layer[];

/** While waiting: enough of the smallest to keep the path and its estimate warm. */
const WARM = 100_000;

/** All layers, whether wanted or not. */
export const ALL: ReadonlySet<Layer> = new Set(LAYERS);

/** How a sender of several layers begins: as while waiting. */
export function encodings(): RTCRtpEncodingParameters[] {
  return LAYERS.map((rid) => paced({ rid }, false, ALL));
}

/** Whether a browser took {@link encodings}: an old one sends a picture of one size, whatever it is given. */
export function areTaken({ encodings: taken }: RTCRtpSendParameters): boolean {
  return taken.length === LAYERS.length && taken.every(({ rid }) => rid !== undefined && isLayer(rid));
}

/** An encoding as it is to be sent: in the call, if somebody has a use for it; while waiting, the smallest. */
export function paced(encoding: RTCRtpEncodingParameters, full: boolean, wanted: ReadonlySet<Layer>): RTCRtpEncodingParameters {
  const { rid } = encoding;
  if (rid === undefined || !isLayer(rid)) return encoding;
  const { scaleResolutionDownBy, maxBitrate } = SIZES[rid];
  if (full) return { ...encoding, scaleResolutionDownBy, maxBitrate, active: wanted.has(rid) };
  return { ...encoding, scaleResolutionDownBy, maxBitrate: Math.min(maxBitrate, WARM), active: rid === "q" };
}

/** What these layers may take together. */
export function bits(wanted: ReadonlySet<Layer>): number {
  return [...wanted].reduce((sum, layer) => sum + SIZES[layer].maxBitrate, 0);
}

/** A picture may be shown this much larger than it is sent before the next size is worth its bits. */
const STRETCH = 1.25;
/** More dots than this for each point of a small picture are not worth theirs. */
const DENSITY = 1.5;
/** How high the smaller two are sent by a camera of 720 lines. */
const LINES = { q: 180, h: 360 };

/** The largest layer that there is a use for where a picture is shown so wide and high, in CSS pixels. */
export function layerFor(width: number, height: number, density: number): Layer {
  const lines = Math.max(height, (width * 9) / 16) * Math.min(density, DENSITY);
  if (lines <= LINES.q * STRETCH) return "q";
  return lines <= LINES.h * STRETCH ? "h" : "f";
}

function isLayer(rid: string): rid is Layer {
  return rid in SIZES;
}
