// The live view: shows the picture, and its faces and state, which the server sends ten times a second.
import { ask, byId, say } from "./ask.js";
import { showSources } from "./choose.js";
import { Faces } from "./faces.js";
import { showRecording } from "./record.js";
import { Timeline } from "./timeline.js";

const AGAIN_AFTER = 2000; // milliseconds
const SPAN = 120; // seconds
const picture = byId("picture");
const faces = new Faces(byId("faces"), byId("nobody"));
const timeline = new Timeline(byId("timeline"), byId("timeline-words"), SPAN);
let events = null;
let wanted = false;
let paused = false;
let begun = false; // whether the stream has been requested before; index.html itself requests it first

function show(now) {
  if (byId("source").textContent !== now.source) {
    byId("source").textContent = now.source;
    timeline.clear();
    showSources(now.source);
  }
  // A still picture has no frame rate.
  byId("fps").textContent = now.fps ? `${now.fps.toFixed(now.fps < 10 ? 1 : 0)} frames per second` : "";
  byId("delay").textContent = now.fps ? `${now.delay} ms behind` : "";
  byId("viewers").textContent = now.viewers === 1 ? "1 viewer" : `${now.viewers} viewers`;
  say(byId("waiting"), now.waiting || "");
  say(byId("problem"), now.problem ? `${now.problem} Trying again.` : "");
  for (const [name, value] of Object.entries(now.settings)) {
    byId("settings").elements[name].checked = value;
  }
  showRecording(now.recording);
  faces.show(now.faces);
  timeline.add(now.time, now.faces);
}

function setGone(gone) {
  byId("stage").classList.toggle("gone", gone);
  if (!gone) return;
  for (const id of ["fps", "delay", "viewers"]) byId(id).textContent = "";
  say(byId("waiting"), "");
  say(byId("problem"), "The server has stopped. Start it again and the picture comes back.");
}

function start() {
  stop();
  // A new address each time: with the old one, the browser would reuse the stream that ended.
  if (begun) picture.src = `${picture.dataset.feed}?${Date.now()}`;
  begun = true;
  events = new EventSource("/events");
  events.onmessage = (message) => {
    setGone(false);
    show(JSON.parse(message.data));
  };
  events.onerror = () => {
    setGone(true);
    stop();
    setTimeout(() => { if (wanted && !paused && !events) start(); }, AGAIN_AFTER);
  };
}

function stop() {
  events?.close();
  events = null;
}

export function open() {
  wanted = true;
  showSources(byId("source").textContent);
  if (!paused) start();
}

export function close() {
  wanted = false;
  for (const id of ["fps", "delay", "viewers"]) byId(id).textContent = "";
  if (paused) return;
  stop();
  picture.removeAttribute("src");
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").textContent = paused ? "Resume" : "Pause";
  if (paused) {
    stop();
    picture.src = `${byId("snapshot").href}?${Date.now()}`;
  } else {
    start();
  }
});

byId("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else byId("stage").requestFullscreen();
});

byId("settings").addEventListener("change", ({ target }) => {
  ask("/settings", "POST", { [target.name]: target.checked }).catch((error) => say(byId("problem"), error.message));
});
