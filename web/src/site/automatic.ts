/** A header that marks automatic requests, which do not count as session activity. */
export const AUTOMATIC = { "bedside-automatic": "1" };
