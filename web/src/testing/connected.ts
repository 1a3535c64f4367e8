import assert from "node:assert/strict";

import { Peer } from "../peer/peer.ts";
import { FakeClock, settle } from "./clock.ts";
import { FakePeerConnection } from "./peer.ts";

export let clock: FakeClock;
export let offers: { peer: number; sdp: string }[];
export let peer: Peer;
let roams: boolean;

/** Creates a new page with fake browser APIs. */
export function begin(): void {
  clock = new FakeClock();
  offers = [];
  roams = false;
  FakePeerConnection.made = [];
  FakePeerConnection.layers = "known";
  peer = new Peer({
    clock,
    random: () => 0.5,
    connections: {
      plain: (configuration) => new FakePeerConnection(configuration) as unknown as RTCPeerConnection,
      roaming: (configuration) => (roams ? (new FakePeerConnection(configuration, true) as unknown as RTCPeerConnection) : null),
    },
    capabilities: () => null,
    offer: (number, sdp) => offers.push({ peer: number, sdp }) > 0,
    changed: () => {},
  });
}

/** From now on the browser supports roaming connections. */
export function roam(): void {
  roams = true;
}

/** Returns a created connection, by default the last one. */
export function pc(at = -1): FakePeerConnection {
  const made = FakePeerConnection.made.at(at);
  assert.ok(made);
  return made;
}

/** Answers the last offer as the server. */
export async function answer(tracks = [{ mid: "2", user: "d" }, { mid: "3", user: "d" }]): Promise<void> {
  peer.receive({ type: "answer", peer: offers.at(-1)?.peer ?? 0, sdp: "v=0\r\nm=video 9 X 96\r\na=mid:1\r\n", tracks });
  await settle();
}

/** Connects the page. */
export async function connect(): Promise<void> {
  peer.open();
  await settle();
  await answer();
  pc().become("connected");
}

/** Simulates a restarted server that does not know the connection. */
export async function lose(): Promise<void> {
  peer.gone();
  peer.reachable(true);
  await settle();
}

/** Lets time pass while the page sends media, with or without packets from the server. */
export async function talk(milliseconds: number, heard = true, at = 0): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 100) {
    const { packets } = pc(at);
    pc(at).packets = { sent: (packets?.sent ?? 0) + 5, received: (packets?.received ?? 1) + (heard ? 2 : 0) };
    await clock.pass(100);
  }
}
