// The page of those who only watch: the picture, the labels of its faces, and how many others watch.
import { byId, put, say } from "./ask.js";
import { timeText } from "./clock.js";
import { offerFullScreen } from "./full_screen.js";
import { join, leave } from "./live_events.js";
import { LiveFaces } from "./live_faces.js";
import { audienceText, clearFigures, showFigures } from "./live_figures.js";
import { listener } from "./live_messages.js";
import * as picture from "./picture.js";
import { followVisibility } from "./visibility.js";

const faces = new LiveFaces();
const hear = listener(show, clear);

function show(now) {
  put(byId("source"), now.source);
  showFigures(now, audienceText(now));
  say(byId("problem"), now.problem ?? "");
  say(byId("waiting"), now.waiting ?? "");
  byId("recording").hidden = now.recording.status !== "recording";
  put(byId("recording-time"), timeText(now.recording.seconds, 0));
  faces.show(now);
}

function clear() {
  clearFigures();
  byId("recording").hidden = true;
  faces.clear();
}

const open = () => join(hear, "watchers");

function close() {
  clear();
  leave();
  picture.close();
}

open();
followVisibility(close, open);
offerFullScreen(byId("full"), byId("stage"));
