interface Observed {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** Calls `changed` when the browser reports a network change; the returned function unsubscribes. */
export function watchNetwork(changed: () => void): () => void {
  const connection = (globalThis.navigator as { connection?: Observed } | undefined)?.connection;
  globalThis.addEventListener?.("online", changed);
  connection?.addEventListener("change", changed);
  return () => {
    globalThis.removeEventListener?.("online", changed);
    connection?.removeEventListener("change", changed);
  };
}
