import { focusSummary } from "./site/summary.ts";
import { liveDashboard } from "./site/dashboard.ts";
import { localTimes } from "./site/times.ts";

// What the server rendered works without any of this.
localTimes(document);
focusSummary(document);
liveDashboard(document);
