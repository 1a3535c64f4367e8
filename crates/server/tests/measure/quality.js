// Returns the statistics of a media connection as a flat object.
async (probe) => {
  const flat = { at: performance.now(), text: {}, number: {} };
  const reports = [...((await probe.call().stats())?.values() ?? [])];
  const take = (prefix, report, names) => {
    for (const name of names) {
      const value = report[name];
      if (typeof value === "number") flat.number[`${prefix}.${name}`] = value;
      if (typeof value === "string") flat.text[`${prefix}.${name}`] = value;
    }
  };
  for (const report of reports) {
    if (report.type === "candidate-pair" && report.nominated && report.state === "succeeded") {
      take("pair", report, ["availableOutgoingBitrate", "availableIncomingBitrate", "currentRoundTripTime"]);
    }
    if (report.type === "outbound-rtp") {
      take(`out.${report.kind}`, report, [
        "bytesSent", "headerBytesSent", "retransmittedBytesSent", "targetBitrate", "frameWidth", "frameHeight", "framesPerSecond",
        "framesEncoded", "framesSent", "keyFramesEncoded", "qualityLimitationReason", "qualityLimitationResolutionChanges",
        "totalEncodeTime", "pliCount", "firCount", "nackCount", "encoderImplementation",
      ]);
      for (const [reason, seconds] of Object.entries(report.qualityLimitationDurations ?? {})) {
        flat.number[`limited.${reason}`] = seconds;
      }
    }
    if (report.type === "remote-inbound-rtp") {
      take(`far.${report.kind}`, report, ["packetsLost", "fractionLost", "roundTripTime", "jitter"]);
    }
    if (report.type === "inbound-rtp") {
      take(`in.${report.kind}`, report, [
        "bytesReceived", "packetsReceived", "packetsLost", "packetsDiscarded", "jitter", "jitterBufferDelay", "jitterBufferEmittedCount",
        "jitterBufferTargetDelay", "frameWidth", "frameHeight", "framesPerSecond", "framesDecoded", "framesDropped", "freezeCount",
        "totalFreezesDuration", "pliCount", "nackCount", "concealedSamples", "silentConcealedSamples", "totalSamplesReceived",
        "keyFramesDecoded", "totalDecodeTime",
      ]);
    }
    if (report.type === "media-source" && report.kind === "video") take("camera", report, ["width", "height", "framesPerSecond"]);
    if (report.type === "codec") flat.text[`codec.${report.mimeType}`] = report.sdpFmtpLine ?? "";
  }
  return flat;
}
