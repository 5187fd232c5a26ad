// The page: the picture, and beside it what the server says of it, ten times a second.
import { Faces } from "./faces.js";
import { Timeline } from "./timeline.js";

const AGAIN_AFTER = 2000; // milliseconds
const byId = (id) => document.getElementById(id);
const picture = byId("picture");
const faces = new Faces(byId("faces"), byId("face"), byId("nobody"));
const timeline = new Timeline(byId("timeline"), byId("timeline-words"), document.querySelectorAll(".legend li"));
let events = null;
let paused = false;

function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

function show(now) {
  byId("source").textContent = now.source;
  // A picture that stands still has no rate.
  byId("fps").textContent = now.fps ? `${now.fps.toFixed(now.fps < 10 ? 1 : 0)} frames a second` : "";
  byId("delay").textContent = now.fps ? `${now.delay} ms behind` : "";
  byId("viewers").textContent = now.viewers === 1 ? "1 viewer" : `${now.viewers} viewers`;
  say(byId("waiting"), now.waiting || "");
  say(byId("problem"), now.problem ? `${now.problem} Trying again.` : "");
  for (const [name, value] of Object.entries(now.settings)) {
    byId("settings").elements[name].checked = value;
  }
  faces.show(now.faces);
  timeline.add(now.time, now.faces);
}

function setGone(gone) {
  byId("stage").classList.toggle("gone", gone);
  if (!gone) return;
  for (const id of ["fps", "delay", "viewers"]) byId(id).textContent = "";
  say(byId("waiting"), "");
  say(byId("problem"), "The server has stopped. Start it again, and the picture comes back by itself.");
}

function start() {
  stop();
  picture.src = `${picture.dataset.feed}?${Date.now()}`; // a new address, or the browser keeps the ended one
  events = new EventSource("/events");
  events.onmessage = (message) => {
    setGone(false);
    show(JSON.parse(message.data));
  };
  events.onerror = () => {
    setGone(true);
    stop();
    setTimeout(() => { if (!document.hidden && !paused && !events) start(); }, AGAIN_AFTER);
  };
}

function stop() {
  events?.close();
  events = null;
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", paused);
  byId("pause").textContent = paused ? "Go on" : "Pause";
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

byId("settings").addEventListener("change", (change) => {
  fetch("/settings", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ [change.target.name]: change.target.checked }),
  }).catch(() => setGone(true));
});

// A hidden tab lets go of its connections: browsers allow about six to a host.
document.addEventListener("visibilitychange", () => {
  if (paused) return;
  if (!document.hidden) return start();
  stop();
  picture.removeAttribute("src");
});

start();
