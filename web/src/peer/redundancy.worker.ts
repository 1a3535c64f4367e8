import { Redundancy } from "./redundancy.ts";
import type { Order } from "./deepening.ts";

/** `RTCEncodedAudioFrame` (W3C WebRTC Encoded Transform). */
interface EncodedFrame {
  data: ArrayBuffer;
  timestamp?: number;
  getMetadata(): { payloadType?: number; rtpTimestamp?: number };
}

interface TransformEvent {
  transformer: { readable: ReadableStream<EncodedFrame>; writable: WritableStream<EncodedFrame> };
}

let order: Order = { payloadType: null };
addEventListener("message", ({ data }: MessageEvent<Order>) => {
  order = data;
});

addEventListener("rtctransform", (event) => {
  const { readable, writable } = (event as unknown as TransformEvent).transformer;
  const redundancy = new Redundancy();
  const deepen = (frame: EncodedFrame): void => {
    const { payloadType, rtpTimestamp = frame.timestamp } = frame.getMetadata();
    if (order.payloadType === null || payloadType !== order.payloadType || rtpTimestamp === undefined) return;
    const deeper = redundancy.deepen(rtpTimestamp, new Uint8Array(frame.data));
    if (deeper !== null) frame.data = deeper.buffer as ArrayBuffer;
  };
  const transform = (frame: EncodedFrame, out: TransformStreamDefaultController<EncodedFrame>): void => {
    try {
      deepen(frame);
    } catch {
      // Sends the frame unchanged.
    }
    out.enqueue(frame);
  };
  readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable).catch(() => {});
});

// The page uses the worker only after this confirmation.
(self as unknown as { postMessage(message: string): void }).postMessage("runs");
