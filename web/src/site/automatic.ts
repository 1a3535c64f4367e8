/** Says that a page asks by itself: nobody uses their session with it. */
export const AUTOMATIC = { "bedside-automatic": "1" };
