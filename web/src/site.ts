import { offerToCopy } from "./site/copy.ts";
import { waitAtDoor } from "./site/door.ts";
import { offerElsewhere } from "./site/elsewhere.ts";
import { offerJoin } from "./site/join.ts";
import { offerPasskeys } from "./site/passkeys.ts";
import { hideNewPatient, localBirths } from "./site/patient.ts";
import { offerReveal } from "./site/reveal.ts";
import { sendOnce } from "./site/submit.ts";
import { focusSummary } from "./site/summary.ts";
import { liveDashboard } from "./site/dashboard.ts";
import { localTimes, takeClock } from "./site/times.ts";
import { showWhole } from "./site/whole.ts";

// Server-rendered pages work without any of this.
takeClock(document);
localTimes(document);
if (document.querySelector('time[data-local="relative"]') !== null) setInterval(() => localTimes(document), 60_000);
focusSummary(document);
liveDashboard(document);
if (offerElsewhere(document)) void offerJoin(document);
offerToCopy(document);
waitAtDoor(document);
offerReveal(document);
offerPasskeys(document);
localBirths(document);
hideNewPatient(document);
showWhole(document);
sendOnce(document);
