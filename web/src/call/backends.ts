import type { LoadBackend } from "./backend.ts";
import { createCometChat } from "./cometchat/backend.ts";
import { createEmbedded } from "./embedded.ts";

/** The backends there are. They are small: what an SDK weighs is in a document of its own, loaded when it is needed. */
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
