/** What the browser can receive of a kind; `null` where it does not say. */
export type Capabilities = (kind: "audio" | "video") => readonly RTCRtpCodec[] | null;

/**
 * Puts redundant Opus (RFC 2198) first for audio, which hides most of a 20 % loss, and VP8 first for
 * video, which every browser decodes. Everything else stays, in the browser's order.
 */
export function preferred(kind: "audio" | "video", codecs: readonly RTCRtpCodec[]): RTCRtpCodec[] {
  const first = kind === "audio" ? ["audio/red", "audio/opus"] : ["video/vp8", "video/rtx"];
  const rank = (codec: RTCRtpCodec): number => {
    const at = first.indexOf(codec.mimeType.toLowerCase());
    return at === -1 ? first.length : at;
  };
  return [...codecs].sort((a, b) => rank(a) - rank(b));
}

/** Applies {@link preferred} where the browser lets us. A refusal leaves the browser's own order. */
export function prefer(transceiver: RTCRtpTransceiver, kind: "audio" | "video", capabilities: Capabilities): void {
  const codecs = capabilities(kind);
  if (codecs === null || codecs.length === 0 || typeof transceiver.setCodecPreferences !== "function") return;
  try {
    transceiver.setCodecPreferences(preferred(kind, codecs));
  } catch {
    // An older browser with other ideas of a valid list: its own order works too.
  }
}

/** The browser's own capabilities. */
export const browserCapabilities: Capabilities = (kind) =>
  globalThis.RTCRtpReceiver?.getCapabilities?.(kind)?.codecs ?? null;
