import type { LoadBackend } from "./backend.ts";
import { createEmbedded } from "./embedded.ts";

/**
 * The backends there are. The embedded one is here already, being small and the usual one; those
 * with an SDK of their own are to be imported when they are named, as chunks of their own.
 */
export const loadBackend: LoadBackend = async (name) => {
  switch (name) {
    case "embedded":
      return createEmbedded;
    default:
      throw new Error(`There is no call backend "${name}".`);
  }
};
