// Reduces the fake camera's resolution, because two browsers with all encoders and decoders share one machine.
{
  const devices = navigator.mediaDevices;
  const take = devices?.getUserMedia.bind(devices);
  /** Noise, because the fake camera's picture needs almost no bandwidth. */
  const noise = (width, height, pictures) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d", { alpha: false });
    setInterval(() => {
      for (let i = 0; i < 150; i += 1) {
        pen.fillStyle = `hsl(${Math.random() * 360} 80% ${Math.random() * 100}%)`;
        pen.fillRect(Math.random() * width, Math.random() * height, 8 + Math.random() * 40, 8 + Math.random() * 40);
      }
    }, 1000 / pictures);
    return canvas.captureStream(pictures).getVideoTracks()[0];
  };
  if (take !== undefined) {
    devices.getUserMedia = async (wanted) => {
      const small = { width: CAMERA_WIDTH, height: CAMERA_HEIGHT, frameRate: CAMERA_PICTURES };
      if (typeof wanted.video !== "object") return take(wanted);
      if (!CAMERA_NOISE) return take({ ...wanted, video: { ...wanted.video, ...small } });
      const stream = await take({ audio: wanted.audio });
      stream.addTrack(noise(small.width, small.height, small.frameRate));
      return stream;
    };
  }
}
