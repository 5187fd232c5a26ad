// The page of those who only watch: the picture, the labels of its faces, and how many others watch.
import { byId, say } from "./ask.js";
import { audienceText } from "./audience.js";
import { timeText } from "./clock.js";
import { colourOf } from "./faces.js";
import { join, leave } from "./live_events.js";
import * as picture from "./picture.js";
import { followVisibility } from "./visibility.js";

const list = byId("faces");
let isGone = false; // whether the events have ended

function hear(message) {
  if (message.event) {
    const now = JSON.parse(message.event);
    if (isGone) picture.renew();
    setGone("");
    show(now);
    picture.check(now);
  } else if (message.problem) {
    setGone(message.problem);
    clear();
  } else if (message.picture) {
    picture.showSingle(message.picture);
  } else if (message.pictureProblem) {
    say(byId("picture-problem"), message.pictureProblem);
  } else {
    picture.open(message.hasStream);
  }
}

function show(now) {
  if (byId("source").textContent !== now.source) byId("source").textContent = now.source;
  byId("fps").textContent = now.fps ? `${now.fps.toFixed(now.fps < 10 ? 1 : 0)} frames per second` : "";
  byId("delay").textContent = now.fps ? `${now.delay} ms behind` : "";
  byId("audience").textContent = audienceText(now);
  say(byId("problem"), now.problem ?? "");
  say(byId("waiting"), now.waiting ?? "");
  byId("recording").hidden = now.recording.status !== "recording";
  byId("recording-time").textContent = timeText(now.recording.seconds, 0);
  showFaces(now.faces);
  byId("nobody").hidden = now.faces.length > 0 || now.problem !== null;
}

function showFaces(faces) {
  while (list.children.length > faces.length) list.lastElementChild.remove();
  while (list.children.length < faces.length) list.append(newRow());
  for (const [index, face] of faces.entries()) {
    const [number, words] = list.children[index].children;
    number.style.setProperty("--face", colourOf(face.face));
    number.textContent = face.face;
    words.textContent = wordsOf(face);
  }
}

function newRow() {
  const row = document.createElement("li");
  const number = document.createElement("span");
  number.className = "number";
  row.append(number, " ", document.createElement("span"));
  return row;
}

function wordsOf({ state, sure, label, emotions }) {
  if (state === "turned away") return "Turned away";
  if (!label) return "…"; // the network is being prepared
  return sure ? `${label} ${Math.round(100 * emotions[label.toLowerCase()])}%` : "Unsure";
}

// sentence: why there are no events, or "" while there are.
function setGone(sentence) {
  isGone = sentence !== "";
  say(byId("gone"), sentence);
  byId("stage").classList.toggle("gone", isGone);
}

function clear() {
  for (const id of ["fps", "delay", "audience"]) byId(id).textContent = "";
  byId("recording").hidden = byId("nobody").hidden = true;
  showFaces([]);
}

const open = () => join(hear, "watchers");

function close() {
  clear();
  leave();
  picture.close();
}

open();
followVisibility(close, open);
