// Generated from crates/visit by `UPDATE=1 cargo test -p bedside-visit typescript`. Do not edit.

export type UserId = string;

export type VisitId = string;

export type CommandId = string;

export type Timestamp = number;

export type Sdp = string;

export type Role = "patient" | "provider" | "guest" | "interpreter" | "observer";

export type CallBackend = "embedded" | "cometchat";

export type EndReason = "ended" | "missed" | "abandoned" | "closed" | "cancelled";

export type Check = "unknown" | "asking" | "works" | "blocked";

export type DeviceCheck = { 
/**
 * The browser supports video calls.
 */
browser: Check, 
/**
 * The camera.
 */
camera: Check, 
/**
 * The microphone.
 */
microphone: Check, 
/**
 * The microphone has picked up sound.
 */
heard: boolean, 
/**
 * The camera has delivered a picture that is not black. Pages loaded before this field was added do not send it.
 */
seen: boolean, };

export type Capture = "live" | "hidden" | "interrupted" | "lost" | "blocked";

export type TermsId = string;

export type ChatText = string;

export type ChatMessage = { 
/**
 * Its number in the visit, counting from 1.
 */
number: number, 
/**
 * The sender.
 */
from: UserId, 
/**
 * When it was sent.
 */
at: Timestamp, 
/**
 * Its text.
 */
text: ChatText, };

export type Stage = { "name": "preparing" } | { "name": "waiting", 
/**
 * When they entered.
 */
since: Timestamp, } | { "name": "called", 
/**
 * When the provider started.
 */
since: Timestamp, } | { "name": "idle" } | { "name": "calling", 
/**
 * When calling began.
 */
since: Timestamp, 
/**
 * When the provider will be asked what to do; absent if they chose to keep waiting.
 */
until: Timestamp | null, } | { "name": "unanswered", 
/**
 * When calling began.
 */
since: Timestamp, } | { "name": "declined", 
/**
 * When they declined.
 */
at: Timestamp, } | { "name": "connected", 
/**
 * When the provider started.
 */
since: Timestamp, } | { "name": "reconnecting", 
/**
 * When it dropped.
 */
since: Timestamp, } | { "name": "alone", 
/**
 * When they left.
 */
since: Timestamp, } | { "name": "left", 
/**
 * When you left.
 */
at: Timestamp, } | { "name": "ended", 
/**
 * When it ended.
 */
at: Timestamp, 
/**
 * Why it ended.
 */
reason: EndReason, };

export type Presence = { "name": "absent" } | { "name": "preparing", 
/**
 * When the page connected.
 */
since: Timestamp, } | { "name": "here", 
/**
 * When they entered.
 */
since: Timestamp, } | { "name": "away", 
/**
 * When it dropped.
 */
since: Timestamp, } | { "name": "left", 
/**
 * When they left.
 */
at: Timestamp, };

export type ParticipantView = { 
/**
 * The user's ID.
 */
user: UserId, 
/**
 * Their display name.
 */
name: string, 
/**
 * Their role.
 */
role: Role, 
/**
 * Where they are.
 */
presence: Presence, 
/**
 * Whether their microphone may be forwarded. The server enforces this whatever the page sends.
 */
microphone: boolean, 
/**
 * Whether their camera may be forwarded. The server enforces this whatever the page sends.
 */
camera: boolean, 
/**
 * Whether their media connection to the server works. With another backend: whether they can be reached there.
 */
media: boolean, 
/**
 * Why their page cannot send media, although they have not turned it off.
 */
capture: Capture, 
/**
 * When they accepted the clinic's terms. Visible to the provider and to the participant.
 */
consent: Timestamp | null, 
/**
 * Their page's device check. Visible to the provider and to the participant.
 */
check: DeviceCheck | null, 
/**
 * When they last came on another device, if they did. Visible to the provider and to the participant.
 */
device_changed: Timestamp | null, };

export type View = { 
/**
 * The visit. A new meeting of the same appointment is another visit.
 */
visit: VisitId, 
/**
 * The stage for you.
 */
stage: Stage, 
/**
 * The call backend.
 */
backend: CallBackend, 
/**
 * You.
 */
you: ParticipantView, 
/**
 * Everyone else who has a seat, your counterpart first.
 */
others: Array<ParticipantView>, 
/**
 * The chat messages, in order.
 */
messages: Array<ChatMessage>, };

export type Change = { "name": "visit", 
/**
 * Its ID.
 */
visit: VisitId, } | { "name": "stage", 
/**
 * The new stage.
 */
stage: Stage, } | { "name": "backend", 
/**
 * The new backend.
 */
backend: CallBackend, } | { "name": "you", 
/**
 * Your complete new state.
 */
you: ParticipantView, } | { "name": "other", 
/**
 * Their complete new state.
 */
other: ParticipantView, } | { "name": "said", 
/**
 * The message.
 */
message: ChatMessage, };

export type Command = { "name": "enter" } | { "name": "rejoin" } | { "name": "leave" } | { "name": "decline" } | { "name": "start" } | { "name": "cancel" } | { "name": "keep_waiting" } | { "name": "mark_missed" } | { "name": "end" } | { "name": "set_media", 
/**
 * Your microphone.
 */
microphone: boolean, 
/**
 * Your camera.
 */
camera: boolean, } | { "name": "report_check", 
/**
 * The complete result.
 */
check: DeviceCheck, } | { "name": "report_capture", 
/**
 * The reason.
 */
capture: Capture, } | { "name": "report_media", 
/**
 * Whether you can be reached.
 */
carries: boolean, } | { "name": "report_stranger" } | { "name": "move_call", 
/**
 * The backend.
 */
backend: CallBackend, } | { "name": "set_consent", 
/**
 * `true` to accept, `false` to withdraw.
 */
given: boolean, 
/**
 * The terms as they were displayed. Only the current terms can be accepted.
 */
terms: TermsId, } | { "name": "say", 
/**
 * The text.
 */
text: ChatText, };

export type Layer = "q" | "h" | "f";

export type Watched = { 
/**
 * The participant.
 */
user: UserId, 
/**
 * The largest layer the page can use; absent if it does not display the video.
 */
most: Layer | null, };

export type ClientMessage = { "type": "command", 
/**
 * The ID, chosen by the page. Sending the command again under the same ID has no effect.
 */
id: CommandId, 
/**
 * The command.
 */
command: Command, } | { "type": "offer", 
/**
 * The page's number for its `RTCPeerConnection`, drawn at random so that it differs from that of the user's
 * other pages. The number of the current connection renegotiates it (an ICE restart); a new number replaces
 * it.
 */
peer: number, 
/**
 * The session description.
 */
sdp: Sdp, } | { "type": "watch", 
/**
 * The sizes. Videos of participants not listed may be forwarded at full size.
 */
pictures: Array<Watched>, } | { "type": "ping" };

export type AdmissionId = string;

export type Admission = { 
/**
 * Its ID.
 */
id: AdmissionId, 
/**
 * The user the link belongs to. The provider decides whether the request really comes from this user.
 */
user: UserId, 
/**
 * The other device as reported by its browser, e.g. "Safari on iPhone".
 */
device: string | null, 
/**
 * When the request was made.
 */
since: Timestamp, };

export type Track = { 
/**
 * The section's `a=mid` (RFC 5888).
 */
mid: string, 
/**
 * The user whose media it carries.
 */
user: UserId, };

export type Refusal = "wrong_role" | "not_now" | "too_early" | "closed" | "cancelled" | "signed_out" | "not_saved" | "stopping" | "no_backend" | "full" | "malformed";

export type MediaFailure = "bad_offer" | "not_allowed" | "lost" | "busy";

export type ServerMessage = { "type": "snapshot", 
/**
 * Its number. The first `changed` has the next one.
 */
sequence: number, 
/**
 * The server's clock, for displaying durations.
 */
now: Timestamp, 
/**
 * The state.
 */
view: View, } | { "type": "resumed", 
/**
 * The last number the page received. The first `changed` has the next one.
 */
sequence: number, 
/**
 * The number of the last missed `changed`; equal to `sequence` if none was missed.
 */
latest: number, 
/**
 * The server's clock, for displaying durations.
 */
now: Timestamp, } | { "type": "changed", 
/**
 * The previous message's number plus one.
 */
sequence: number, 
/**
 * The changes, to be applied in order.
 */
changes: Array<Change>, } | { "type": "acknowledged", 
/**
 * The command's ID.
 */
id: CommandId, } | { "type": "refused", 
/**
 * The command's ID.
 */
id: CommandId, 
/**
 * The reason.
 */
refusal: Refusal, } | { "type": "answer", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * The session description.
 */
sdp: Sdp, 
/**
 * The user whose media each receiving section of the offer carries.
 */
tracks: Array<Track>, } | { "type": "media_failed", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * The reason.
 */
reason: MediaFailure, } | { "type": "layers", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * The layers, smallest first; at least one.
 */
wanted: Array<Layer>, } | { "type": "speaking", 
/**
 * The speaker; absent after a period of silence.
 */
user: UserId | null, } | { "type": "pong" } | { "type": "malformed", 
/**
 * Details for developers.
 */
detail: string, } | { "type": "moved" } | { "type": "admissions", 
/**
 * The requests, oldest first.
 */
waiting: Array<Admission>, } | { "type": "stopping", 
/**
 * The latest time at which the connection closes.
 */
until: Timestamp, };
