import type { ClientMessage, Command, ServerMessage, View } from "../signalling/messages.ts";
import type { Socket } from "../signalling/socket.ts";
import { aView } from "./views.ts";

/** A fake WebSocket that records sent messages and delivers those of a test. */
export class FakeSocket implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: ClientMessage[] = [];
  closed = false;

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientMessage);
  }

  close(): void {
    this.closed = true;
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Opens it without any message. */
  open(): void {
    this.onopen?.();
  }

  snapshot(view: View = aView(), sequence = 1): void {
    this.say({ type: "snapshot", sequence, now: 5_000, view });
  }

  drop(code = 1006): void {
    this.onclose?.({ code, reason: "" });
  }

  /** The commands sent, in order. */
  get commands(): Command[] {
    return this.sent.flatMap((message) => (message.type === "command" ? [message.command] : []));
  }

  /** Acknowledges everything sent so far. */
  acknowledge(): void {
    for (const message of [...this.sent]) if (message.type === "command") this.say({ type: "acknowledged", id: message.id });
  }
}

/** Opens fake sockets and keeps them. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];
  readonly addresses: string[] = [];
  readonly open = (address: string): FakeSocket => {
    const socket = new FakeSocket();
    this.addresses.push(address);
    this.sockets.push(socket);
    return socket;
  };

  /** The newest connection. */
  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("nothing connected");
    return socket;
  }
}
