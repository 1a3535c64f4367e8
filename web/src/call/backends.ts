import type { LoadBackend } from "./backend.ts";
import { createCometChat } from "./cometchat/backend.ts";
import { createEmbedded } from "./embedded.ts";

/** Loads a backend. The backends are small: large SDKs are in a separate document that is loaded on demand. */
export const loadBackend: LoadBackend = async (name) => {
  switch (name) {
    case "embedded":
      return createEmbedded;
    case "cometchat":
      return createCometChat;
    default:
      throw new Error(`There is no call backend "${name}".`);
  }
};
