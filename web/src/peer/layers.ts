import type { Layer } from "../signalling/messages.ts";

/** The simulcast layers, smallest first, with their maximum bit rates in bits per second. */
const SIZES: Readonly<Record<Layer, { scaleResolutionDownBy: number; maxBitrate: number }>> = {
  q: { scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  h: { scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  f: { scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
};

const LAYERS = Object.keys(SIZES) as Layer[];

/** While waiting: enough of the smallest layer to keep the path and its bandwidth estimate alive. */
const WARM = 100_000;

/** All layers. */
export const ALL: ReadonlySet<Layer> = new Set(LAYERS);

/** The initial encodings of a simulcast sender: as while waiting. */
export function encodings(): RTCRtpEncodingParameters[] {
  return LAYERS.map((rid) => paced({ rid }, false, ALL));
}

/** Whether the browser accepted {@link encodings}. Older ones send a single encoding regardless. */
export function areTaken({ encodings: taken }: RTCRtpSendParameters): boolean {
  return taken.length === LAYERS.length && taken.every(({ rid }) => rid !== undefined && isLayer(rid));
}

/**
 * Returns the parameters of an encoding: active in the call if the layer is used; while waiting, only the smallest
 * layer.
 */
export function paced(encoding: RTCRtpEncodingParameters, full: boolean, wanted: ReadonlySet<Layer>): RTCRtpEncodingParameters {
  const { rid } = encoding;
  if (rid === undefined || !isLayer(rid)) return encoding;
  const { scaleResolutionDownBy, maxBitrate } = SIZES[rid];
  if (full) return { ...encoding, scaleResolutionDownBy, maxBitrate, active: wanted.has(rid) };
  return { ...encoding, scaleResolutionDownBy, maxBitrate: Math.min(maxBitrate, WARM), active: rid === "q" };
}

/** Returns the total bit rate of these layers. */
export function bits(wanted: ReadonlySet<Layer>): number {
  return [...wanted].reduce((sum, layer) => sum + SIZES[layer].maxBitrate, 0);
}

/** Video may be upscaled by this factor before the next larger layer is worth its bandwidth. */
const STRETCH = 1.25;
/** Device pixel ratio above which small video gains no visible quality. */
const DENSITY = 1.5;
/** Heights of the two smaller layers for a camera with 720 lines. */
const LINES = { q: 180, h: 360 };

/** Returns the largest useful layer for video displayed at this size in CSS pixels. */
export function layerFor(width: number, height: number, density: number): Layer {
  const lines = Math.max(height, (width * 9) / 16) * Math.min(density, DENSITY);
  if (lines <= LINES.q * STRETCH) return "q";
  return lines <= LINES.h * STRETCH ? "h" : "f";
}

function isLayer(rid: string): rid is Layer {
  return rid in SIZES;
}
