// Reads the server's events. Uses fetch because an EventSource does not tell why a connection failed.
import { SILENT, STOPPED, reasonOf } from "./answers.js";

const SILENT_AFTER = 10_000; // milliseconds; the server sends several events a second

// Calls take with the data of every event. Returns why the connection ended, as a sentence to show.
// stopping: an AbortSignal that ends it.
export async function readEvents(address, stopping, take) {
  const connection = new AbortController();
  const stop = () => connection.abort();
  let isSilent = false;
  let timer;
  function restartTimer() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      isSilent = true;
      stop();
    }, SILENT_AFTER);
  }
  stopping.addEventListener("abort", stop);
  try {
    restartTimer();
    const response = await fetch(address, { signal: connection.signal });
    if (!response.ok) return await reasonOf(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return STOPPED;
      restartTimer();
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) take(event.slice("data: ".length));
    }
  } catch {
    return isSilent ? SILENT : STOPPED;
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener("abort", stop);
    stop();
  }
}
