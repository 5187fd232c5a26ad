// This window's part of the connection that all windows share: the events, and whether it may have a stream.
import { EventHub } from "./event_hub.js";

const HERE_EVERY = 2000; // milliseconds
const MOST_UNANSWERED = 4; // then the worker has died; it answers at once
const MOST_DEATHS = 2;
const WORKER = new URL("shared_events.js", import.meta.url);
let port = null;
let timer = null;
let isAnswered = false; // whether anything has come through the port
let unanswered = 0;
let deaths = 0;
let listener = null;
let name = ""; // of the worker

// Calls hear with { event }, { problem }, { hasStream }, { picture } and { pictureProblem }, see event_hub.js.
// group: those who steer and those who watch get other events, so they share no connection, even in one browser.
export function join(hear, group = "") {
  listener = hear;
  name = group;
  if (!port) connect();
  sayHere();
  clearInterval(timer);
  timer = setInterval(sayHere, HERE_EVERY);
}

export function leave() {
  listener = null;
  clearInterval(timer);
  port?.postMessage({ here: false });
}

function connect() {
  unanswered = 0;
  try {
    const worker = new SharedWorker(WORKER, { type: "module", name });
    use(worker.port);
    worker.addEventListener("error", () => {
      if (port === worker.port && !isAnswered) connectAlone(); // it could not be loaded
    });
  } catch {
    connectAlone(); // this browser has no shared workers, or does not allow them here
  }
}

function connectAlone() {
  const { port1, port2 } = new MessageChannel();
  new EventHub().add(port2);
  use(port1);
  if (listener) sayHere();
}

function use(newPort) {
  port?.close();
  port = newPort;
  isAnswered = false;
  port.onmessage = ({ data }) => {
    isAnswered = true;
    unanswered = 0;
    listener?.(data);
  };
}

function sayHere() {
  if (unanswered >= MOST_UNANSWERED) {
    unanswered = 0;
    deaths += 1;
    if (deaths < MOST_DEATHS) connect();
    else connectAlone();
  }
  unanswered += 1;
  port.postMessage({ here: true });
}
