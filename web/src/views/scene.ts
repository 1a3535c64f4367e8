import type { TemplateResult } from "lit";

import { call } from "./call.ts";
import { apart, broken, ended, left, loading, moved, problem, refused, signedOut } from "./closed.ts";
import type { ViewContext } from "./context.ts";
import type { CornerDrag } from "./corner.ts";
import { called, preparing, waiting } from "./patient.ts";
import { desk } from "./provider.ts";

/** The view for the current scene. Every scene has one for both roles. */
export function scene(context: ViewContext, drag: CornerDrag): TemplateResult {
  switch (context.scene) {
    case "loading":
      // The participants and the time are known and devices are being requested, so the waiting room is shown already.
      return context.state.part === "patient" ? preparing(context) : loading();
    case "problem":
      return problem(context);
    case "moved":
      return moved(context);
    case "signed_out":
      return signedOut(context);
    case "refused":
      return refused(context);
    case "broken":
      return broken();
    case "apart":
      return apart(context);
    case "preparing":
      return preparing(context);
    case "waiting":
      return waiting(context);
    case "called":
      return called(context);
    case "idle":
    case "calling":
    case "unanswered":
    case "declined":
      return desk(context);
    case "connected":
    case "reconnecting":
    case "alone":
      return call(context, drag);
    case "left":
      return left(context);
    case "ended":
      return ended(context);
  }
}
