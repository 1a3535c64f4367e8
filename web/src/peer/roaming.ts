/** Makes `RTCPeerConnection`s, or a test's doubles of them. */
export interface PeerConnections {
  /** One that reaches the server by UDP or TCP. */
  plain(configuration: RTCConfiguration): RTCPeerConnection;
  /** One that follows the machine from network to network, by UDP alone. `null`: this browser makes none. */
  roaming(configuration: RTCConfiguration): RTCPeerConnection | null;
}

/** The browser's own, with what they leave in the page. */
export interface BrowserConnections extends PeerConnections {
  /** Takes it out again. */
  close(): void;
}

/** A frame, with Chromium's word about what it may do. */
type Frame = HTMLIFrameElement & { readonly featurePolicy?: { allowsFeature(name: string): boolean } };

/**
 * The browser's own.
 *
 * Where a page may use camera or microphone, Chromium binds connections to the addresses that the networks
 * gave, and looks for other networks every two seconds: until then it stands still after a change. Where a page
 * may not, it binds to none, and the system's routes take the packets along at once (RFC 8828, mode 2; which also
 * tells nobody the machine's other addresses). So a roaming connection is made in a frame that may not; what it
 * sends is the page's all the same.
 */
export function browserConnections(): BrowserConnections {
  let frame: Frame | null = null;
  return {
    plain: (configuration) => new RTCPeerConnection(configuration),
    roaming(configuration) {
      // Whoever renders the page may have thrown it away.
      if (frame?.isConnected !== true) frame = withoutDevices();
      const Made = (frame.contentWindow as (Window & typeof globalThis) | null)?.RTCPeerConnection;
      const roams = frame.featurePolicy?.allowsFeature("camera") === false;
      return roams && Made !== undefined ? new Made(configuration) : null;
    },
    close() {
      frame?.remove();
      frame = null;
    },
  };
}

function withoutDevices(): Frame {
  const frame = document.createElement("iframe");
  frame.allow = "camera 'none'; microphone 'none'";
  frame.hidden = true;
  document.documentElement.append(frame);
  return frame;
}
