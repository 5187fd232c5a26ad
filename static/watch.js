// The live view: shows the picture, and its faces and state, which the server sends ten times a second.
import { STOPPED } from "./answers.js";
import { ask, byId, complain, inOrder, say } from "./ask.js";
import { offerSources, showSources } from "./choose.js";
import { LIVE } from "./face_panel.js";
import { offerFullScreen } from "./full_screen.js";
import { join, leave } from "./live_events.js";
import { LiveFaces } from "./live_faces.js";
import { audienceText, clearFigures, showFigures } from "./live_figures.js";
import { listener, setGone } from "./live_messages.js";
import { offerMarkers } from "./marker_form.js";
import * as picture from "./picture.js";
import { showRecording } from "./record.js";
import { Timeline } from "./timeline.js";

const ASK_EVERY = 2000; // milliseconds, while paused
const faces = new LiveFaces((face) => changeForAll(() => ask("rest", "POST", { face })));
const timeline = new Timeline(byId("timeline"), byId("timeline-words"), LIVE.span);
offerMarkers("", byId("live"), (name, ago) => inOrder(() => ask("markers", "POST", { name, ago: ago() })));
const hear = listener(show, () => {
  clearFigures();
  faces.clear();
});
let isOpen = false;
let isPaused = false;
let asking = null; // the timer of the requests while paused

function show(now) {
  if (byId("source").textContent !== now.source) showSource(now.source);
  const viewers = now.viewers === 1 ? "1 viewer" : `${now.viewers} viewers`;
  showFigures(now, byId("share") ? audienceText(now) : viewers);
  showState(now);
  faces.show(now);
  byId("over-time").hidden = now.still;
  timeline.markers = now.markers;
  timeline.add(now.time, now.faces);
}

function showSource(source) {
  byId("source").textContent = source;
  const note = byId("note");
  if (note) note.hidden = source !== note.dataset.source;
  timeline.clear();
  faces.clear();
  showSources(source);
}

// Shows what does not belong to a frame, and so goes on while paused.
function showState(now) {
  say(byId("problem"), now.problem ? `${now.problem} Trying again.` : "");
  say(byId("fault"), now.fault ?? "");
  say(byId("waiting"), now.waiting ?? "");
  for (const [name, value] of Object.entries(now.settings)) {
    byId("settings").elements[name].checked = value;
  }
  showRecording(now.recording);
}

export function open() {
  isOpen = true;
  showSources(byId("source").textContent);
  if (isPaused) lookWhilePaused();
  else join(hear);
}

export function close() {
  isOpen = false;
  clearFigures();
  if (isPaused) return;
  leave();
  picture.close();
}

export { close as hide, open as show };

byId("pause").addEventListener("click", () => setPaused(!isPaused));

function setPaused(paused) {
  if (paused === isPaused) return;
  isPaused = paused;
  byId("pause").setAttribute("aria-pressed", isPaused);
  byId("pause").textContent = isPaused ? "Resume" : "Pause";
  if (isPaused) {
    leave();
    picture.hold();
    clearFigures();
    lookWhilePaused();
  } else {
    clearTimeout(asking);
    join(hear);
  }
}

// What changes the picture for everyone also ends a pause here, so that whoever changes it sees what changed.
function changeForAll(change) {
  setPaused(false);
  return change();
}

// While paused, nobody sends the events; what they say besides the frame is asked for.
async function lookWhilePaused() {
  clearTimeout(asking);
  if (!isOpen || !isPaused) return;
  try {
    const now = await ask("state");
    if (!isPaused) return;
    setGone("", true);
    showState(now);
  } catch (error) {
    if (!isPaused) return;
    setGone(error.isUnreachable ? STOPPED : error.message, true);
  }
  asking = setTimeout(lookWhilePaused, ASK_EVERY);
}

offerFullScreen(byId("full"), byId("stage"));
offerSources((source) => changeForAll(() => ask("source", "POST", { source })));

byId("settings").addEventListener("change", async ({ target }) => {
  say(byId("settings-problem"), "");
  try {
    await changeForAll(() => ask("settings", "POST", { [target.name]: target.checked }));
  } catch (error) {
    target.checked = !target.checked; // as it still is
    complain(byId("settings-problem"), error);
  }
});
