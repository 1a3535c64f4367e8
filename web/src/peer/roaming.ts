/** Creates `RTCPeerConnection`s, or fakes in tests. */
export interface PeerConnections {
  /** A connection that uses UDP or TCP. */
  plain(configuration: RTCConfiguration): RTCPeerConnection;
  /**
   * A connection that follows the device between networks, over UDP only. `null` if the browser does not support it.
   */
  roaming(configuration: RTCConfiguration): RTCPeerConnection | null;
}

/** The browser's connections, with the resources they need in the page. */
export interface BrowserConnections extends PeerConnections {
  /** Removes these resources. */
  close(): void;
}

/** An iframe with Chromium's permissions policy API. */
type Frame = HTMLIFrameElement & { readonly featurePolicy?: { allowsFeature(name: string): boolean } };

/**
 * Creates connections in the browser.
 *
 * In a page that may use camera or microphone, Chromium binds connections to the addresses of network interfaces and
 * looks for other interfaces every two seconds, so media stops for that long after a change. In a page without these
 * permissions, it does not bind, and packets follow the system's routes immediately (RFC 8828, mode 2, which also
 * reveals no other addresses of the device). So a roaming connection is created in an iframe without permissions; the
 * media it sends is still the page's.
 */
export function browserConnections(): BrowserConnections {
  let frame: Frame | null = null;
  return {
    plain: (configuration) => new RTCPeerConnection(configuration),
    roaming(configuration) {
      // The page's framework may have removed it.
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
