/** Returns the codecs the browser can receive; `null` if it does not say. */
export type Capabilities = (kind: "audio" | "video") => readonly RTCRtpCodec[] | null;

/**
 * Orders redundant Opus (RED, RFC 2198) first for audio, which conceals most of 20 % packet loss, and VP8 first for
 * video, which every browser decodes. All others follow in the browser's order.
 */
export function preferred(kind: "audio" | "video", codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const first = kind === "audio" ? ["audio/red", "audio/opus"] : ["video/vp8", "video/rtx"];
  const rank = (codec: RTCRtpCodec): number => {
    const at = first.indexOf(codec.mimeType.toLowerCase());
    return at === -1 ? first.length : at;
  };
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

/** Applies {@link preferred} if the browser supports it. If it throws, the browser's own order is kept. */
export function prefer(transceiver: RTCRtpTransceiver, kind: "audio" | "video", capabilities: Capabilities): void {
  const codecs = capabilities(kind);
  if (codecs === null || codecs.length === 0 || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(preferred(kind, codecs));
  } catch {
    // Older browsers have other rules for valid lists; their own order works too.
  }
}

/** The browser's capabilities. */
export const browserCapabilities: Capabilities = (kind) =>
  globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? null;
