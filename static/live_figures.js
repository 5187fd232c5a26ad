// The figures in the header: how fast the live picture is, how late, and how many people see it.
import { byId, put } from "./ask.js";

const IDS = ["fps", "delay", "viewers"];

// now: an event. A still picture has no frame rate. people: how many see it, in words.
export function showFigures(now, people) {
  put(byId("fps"), now.fps ? `${now.fps.toFixed(now.fps < 10 ? 1 : 0)} frames per second` : "");
  put(byId("delay"), now.fps ? `${now.delay} ms behind` : "");
  put(byId("viewers"), people);
}

export function clearFigures() {
  for (const id of IDS) put(byId(id), "");
}

// How many people steer and how many only watch.
export const audienceText = ({ steering, watching }) =>
  `${steering} ${steering === 1 ? "steers" : "steer"}, ${watching} ${watching === 1 ? "watches" : "watch"}`;
