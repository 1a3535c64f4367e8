/**
 * The document that CometChat's SDKs run in. It does what the page that holds it orders over a `MessagePort`, and
 * reports what happens. It decides nothing.
 */
import type { Order } from "../src/call/cometchat/protocol.ts";
import { Line } from "./line.ts";

addEventListener("message", ({ source, origin, data, ports: [port] }: MessageEvent) => {
  if (source !== parent || origin !== location.origin || data !== "bedside" || port === undefined) return;
  const line = new Line((report) => port.postMessage(report));
  port.onmessage = ({ data }: MessageEvent<Order>) => void line.take(data);
  port.postMessage({ type: "ready" });
});
