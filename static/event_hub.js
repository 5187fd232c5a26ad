// Connects all windows of this browser to the server. Browsers allow about six connections to a server, so the windows
// share one for the events, three of them have a stream of the picture, and the others get single pictures.
import { STOPPED, reasonOf } from "./answers.js";
import { readEvents } from "./event_stream.js";

const EVENTS = new URL("../events", import.meta.url);
const SNAPSHOT = new URL("../snapshot.jpg", import.meta.url);
const STREAMS = 3;
const PICTURE_EVERY = 500; // milliseconds
const PICTURE_LONGEST = 15_000; // the server may need ten seconds, while it opens a camera
const AGAIN_AFTER = 2000;
const CHECK_EVERY = 1000;
const GONE_AFTER = 8000; // a window says every two seconds that it is still there

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class EventHub {
  windows = new Map(); // the port of each visible window, in the order in which they came: when it was last heard
  running = null; // the AbortController of the connections, while there are windows
  isConnected = false; // whether events come
  latest = null; // the latest message about the events

  // A window sends { here: true } again and again while it shows the live view, and { here: false } when it stops.
  add(port) {
    port.onmessage = ({ data }) => (data.here ? this.keep(port) : this.drop(port));
    port.onclose = () => this.drop(port); // some browsers tell; in others the window falls silent
  }

  keep(port) {
    const isNew = !this.windows.has(port);
    this.windows.set(port, Date.now());
    port.postMessage({ hasStream: this.streaming().includes(port) });
    if (isNew && this.latest) port.postMessage(this.latest);
    if (!this.running) this.start();
  }

  drop(port) {
    const before = this.streaming();
    if (!this.windows.delete(port)) return;
    for (const each of this.streaming()) if (!before.includes(each)) each.postMessage({ hasStream: true });
    if (!this.windows.size) this.stop();
  }

  streaming() {
    return [...this.windows.keys()].slice(0, STREAMS);
  }

  tell(message) {
    this.latest = message;
    for (const port of this.windows.keys()) port.postMessage(message);
  }

  start() {
    this.running = new AbortController();
    const { signal } = this.running;
    this.followEvents(signal);
    this.sendPictures(signal);
    this.dropSilentWindows(signal);
  }

  stop() {
    this.running.abort();
    this.running = this.latest = null;
    this.isConnected = false;
  }

  async followEvents(signal) {
    while (!signal.aborted) {
      const began = Date.now();
      let heard = 0;
      const problem = await readEvents(EVENTS, signal, (event) => {
        heard = Date.now();
        this.isConnected = true;
        this.tell({ event });
      });
      if (signal.aborted) return;
      // A connection that worked until it ended may have met a proxy's time limit: connect again before saying anything.
      if (heard - began > AGAIN_AFTER && Date.now() - heard < AGAIN_AFTER) continue;
      this.isConnected = false;
      this.tell({ problem });
      await pause(AGAIN_AFTER);
    }
  }

  // Requests one picture at a time for all windows that have no stream, so that a connection stays free.
  async sendPictures(signal) {
    while (!signal.aborted) {
      if (this.isConnected && this.windows.size > STREAMS) {
        const message = await takePicture(signal);
        const streaming = this.streaming();
        for (const port of this.windows.keys()) if (!streaming.includes(port)) port.postMessage(message);
      }
      await pause(PICTURE_EVERY);
    }
  }

  async dropSilentWindows(signal) {
    while (!signal.aborted) {
      await pause(CHECK_EVERY);
      for (const [port, heard] of this.windows) if (Date.now() - heard > GONE_AFTER) this.drop(port);
    }
  }
}

async function takePicture(stopping) {
  const request = new AbortController();
  const stop = () => request.abort();
  const timer = setTimeout(stop, PICTURE_LONGEST);
  stopping.addEventListener("abort", stop);
  try {
    const response = await fetch(SNAPSHOT, { signal: request.signal });
    return response.ok ? { picture: await response.blob() } : { pictureProblem: await reasonOf(response) };
  } catch {
    return { pictureProblem: STOPPED };
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener("abort", stop);
  }
}
