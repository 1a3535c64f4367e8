// A small camera: two browsers, encoders and decoders and all, share one machine here.
{
  const take = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (take !== undefined) {
    navigator.mediaDevices.getUserMedia = (wanted) => {
      const small = { width: CAMERA_WIDTH, height: CAMERA_HEIGHT, frameRate: CAMERA_PICTURES };
      const video = typeof wanted.video === "object" ? { ...wanted.video, ...small } : wanted.video;
      return take({ ...wanted, video });
    };
  }
}
