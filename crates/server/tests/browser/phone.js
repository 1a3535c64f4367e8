// Simulates a phone: phone calls, unplugged devices and the home button. Runs before the page's own scripts.
(() => {
  const own = navigator.mediaDevices;
  const ask = own?.getUserMedia.bind(own);
  const list = own?.enumerateDevices.bind(own);
  const phone = { tracks: [], asked: [], refuses: null, devices: null, visible: true, connections: 0, locks: 0 };
  globalThis.phone = phone;
  if (own !== undefined) {
    own.getUserMedia = async (constraints) => {
      phone.asked.push(constraints);
      const why = phone.refuses?.(constraints) ?? null;
      if (why !== null) throw new DOMException("", why);
      const stream = await ask(constraints);
      phone.tracks.push(...stream.getTracks());
      return stream;
    };
    own.enumerateDevices = async () => {
      const devices = await list();
      return phone.devices === null ? devices : phone.devices(devices);
    };
  }
  const Connection = globalThis.RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Connection {
    constructor(...given) {
      super(...given);
      phone.connections += 1;
    }
  };
  const lock = navigator.wakeLock?.request.bind(navigator.wakeLock);
  if (lock) navigator.wakeLock.request = (type) => ((phone.locks += 1), lock(type));
  const end = (track) => {
    track.stop();
    track.dispatchEvent(new Event("ended"));
  };
  /** Ends both tracks, and refuses new ones until `hangUp`. */
  phone.ring = (why = "NotReadableError") => {
    phone.refuses = () => why;
    phone.tracks.filter((track) => track.readyState === "live").forEach(end);
    return true;
  };
  /** Ends both tracks; they can be requested again immediately. */
  phone.interrupt = () => {
    phone.tracks.filter((track) => track.readyState === "live").forEach(end);
    return true;
  };
  phone.hangUp = () => {
    phone.refuses = null;
    return true;
  };
  phone.unplugCamera = () => {
    phone.refuses = ({ video }) => (video ? "NotFoundError" : null);
    phone.devices = (devices) => devices.filter(({ kind }) => kind !== "videoinput");
    phone.tracks.filter((track) => track.kind === "video" && track.readyState === "live").forEach(end);
    own.dispatchEvent(new Event("devicechange"));
    return true;
  };
  phone.plugIn = () => {
    phone.refuses = null;
    phone.devices = null;
    own.dispatchEvent(new Event("devicechange"));
    return true;
  };
  /** Makes another microphone the system default, like a connected headset. */
  phone.connectHeadset = () => {
    phone.devices = (devices) => devices.map((device) =>
      device.deviceId === "default" && device.kind === "audioinput"
        ? { kind: device.kind, deviceId: "default", groupId: "headset", label: "Headset" }
        : device);
    own.dispatchEvent(new Event("devicechange"));
    return true;
  };
  /** Simulates the home button or the screen lock; capture is muted meanwhile, like on iPhones. */
  phone.hide = (hidden) => {
    phone.visible = !hidden;
    const mute = (track) => {
      Object.defineProperty(track, "muted", { configurable: true, value: hidden });
      track.dispatchEvent(new Event(hidden ? "mute" : "unmute"));
    };
    document.dispatchEvent(new Event("visibilitychange"));
    phone.tracks.filter((track) => track.readyState === "live").forEach(mute);
    return true;
  };
  Object.defineProperty(document, "visibilityState", { get: () => (phone.visible ? "visible" : "hidden") });
  Object.defineProperty(document, "hidden", { get: () => !phone.visible });
})();
