/** A fake `RTCPeerConnection` controlled by a test. */
export class FakePeerConnection {
  static made: FakePeerConnection[] = [];
  connectionState: RTCPeerConnectionState = "new";
  signalingState: RTCSignalingState = "stable";
  localDescription: { sdp: string } | null = null;
  onconnectionstatechange: (() => void) | null = null;
  oniceconnectionstatechange: (() => void) | null = null;
  offers = 0;
  /** The answers applied. */
  answers: string[] = [];
  /** The share of its audio that the server reports as lost. */
  fractionLost = 0;
  /** Statistics of its video encoder. */
  encoder: Record<string, unknown> = {};
  closed = false;
  iceConnectionState: RTCIceConnectionState = "new";
  /** Packets sent and received by the transport. `null` if this browser does not count them. */
  packets: { sent: number; received: number } | null = null;
  dtlsState: RTCDtlsTransportState = "connected";
  readonly transceivers: { mid: string; kind: string; direction: string; sender: FakeSender; receiver: { track: object } }[] = [];

  constructor(
    readonly configuration: RTCConfiguration,
    readonly roams = false,
  ) {
    FakePeerConnection.made.push(this);
  }

  /** Whether this browser supports simulcast; it may also throw. */
  static layers: "known" | "ignored" | "refused" = "known";

  addTransceiver(kind: string, { direction, sendEncodings = [] }: { direction: string; sendEncodings?: Record<string, unknown>[] }): object {
    const mid = String(this.transceivers.length);
    const several = sendEncodings.length > 1;
    if (several && FakePeerConnection.layers === "refused") throw new TypeError("rid");
    const encodings = several && FakePeerConnection.layers === "ignored" ? [{}] : sendEncodings;
    const transceiver = { mid, kind, direction, sender: new FakeSender(encodings), receiver: { track: { id: `${kind}${mid}` } } };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getReceivers(): object[] {
    return this.transceivers.map(({ receiver }) => receiver);
  }

  getTransceivers(): object[] {
    return this.transceivers;
  }

  async createOffer(): Promise<object> {
    this.offers += 1;
    return { type: "offer", sdp: `offer ${this.offers}` };
  }

  async setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
    this.localDescription = description;
    this.signalingState = "have-local-offer";
  }

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.answers.push(sdp);
    this.signalingState = "stable";
  }

  /** Further statistics. */
  more: Record<string, unknown>[] = [];
  /** A browser with Firefox's statistics: no transport packets, no encoder bit rates. */
  firefox = false;

  async getStats(): Promise<Map<string, object>> {
    if (this.packets === null) return new Map();
    const { sent, received } = this.packets;
    const more = this.more.map((entry, at): [string, object] => [`M${at}`, entry]);
    if (this.firefox) {
      const pair = { type: "candidate-pair", id: "P", state: "succeeded", nominated: true, selected: true, bytesReceived: received * 90 };
      return new Map<string, object>([
        ["O", { type: "outbound-rtp", kind: "video", packetsSent: sent }],
        ["P", pair],
        ["T", { type: "transport", dtlsState: this.dtlsState, selectedCandidatePairId: "P" }],
        ...more,
      ]);
    }
    const encoder = { type: "outbound-rtp", kind: "video", ...this.encoder };
    const arrived = { type: "remote-inbound-rtp", kind: "audio", fractionLost: this.fractionLost, roundTripTime: 0.1 };
    return new Map<string, object>([["R", arrived], ["O", encoder], ["T", { type: "transport", dtlsState: this.dtlsState, packetsSent: sent, packetsReceived: received }], ...more]);
  }

  close(): void {
    this.closed = true;
  }

  /** ICE finds a path; DTLS has not completed. */
  findPath(): void {
    this.iceConnectionState = "connected";
    this.oniceconnectionstatechange?.();
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

class FakeSender {
  track: unknown = null;
  transform: unknown = null;
  /** The encodings last set. */
  encodings: Record<string, unknown>[];

  constructor(encodings: Record<string, unknown>[]) {
    this.encodings = encodings.length === 0 ? [{}] : encodings;
  }

  async replaceTrack(track: unknown): Promise<void> {
    this.track = track;
  }
  /** The first encoding. */
  get encoding(): Record<string, unknown> {
    return this.encodings[0] ?? {};
  }

  /** The encoder's target bit rate in bits per second. */
  targetBitrate = 0;

  async getStats(): Promise<Map<string, object>> {
    return new Map([["O", { type: "outbound-rtp", kind: "video", targetBitrate: this.targetBitrate }]]);
  }

  getParameters(): object {
    return { encodings: this.encodings.map((encoding) => ({ ...encoding })), codecs: [{ mimeType: "audio/red", payloadType: 63 }] };
  }

  /** The degradation preferences set. */
  preferences: unknown[] = [];

  async setParameters(parameters: { encodings: Record<string, unknown>[]; degradationPreference?: string }): Promise<void> {
    this.preferences.push(parameters.degradationPreference);
    this.encodings = parameters.encodings;
  }
}
