// Records this browser's own camera, for this browser alone, and offers its picture and markers.
import { ask, byId, complain, inOrder, say } from "./ask.js";
import { timeText } from "./clock.js";

const QUALITY = 0.95; // of a snapshot
const button = byId("own-record");
const problem = byId("own-record-problem");
let path = null; // of the page on the server
let isRunning = false;
let latest = null; // the id of the recording that ran last

export function use(pagePath) {
  path = pagePath;
}

// recording: as the server tells it with each frame; null where the camera is off.
export function showRecording(recording) {
  const running = recording?.status === "recording";
  if (running) latest = recording.id;
  button.disabled = recording === null;
  byId("own-mark").disabled = recording === null;
  button.setAttribute("aria-pressed", running);
  button.textContent = running ? "Stop" : "Record";
  for (const id of ["own-record-video", "own-record-hide"]) byId(id).disabled = running;
  byId("own-record-state").textContent = running ? `Recording, ${timeText(recording.seconds, 0)}` : "";
  byId("own-open-recording").hidden = running || !latest;
  byId("own-open-recording").dataset.id = latest ?? "";
  if (recording?.problem) say(problem, recording.problem);
  isRunning = running;
}

function wanted() {
  return { video: byId("own-record-video").checked, hide: byId("own-record-hide").checked };
}

button.addEventListener("click", async () => {
  say(problem, "");
  try {
    if (isRunning) showRecording(await inOrder(() => ask(`${path}/recording`, "DELETE")));
    else showRecording(await inOrder(() => ask(`${path}/recording`, "POST", wanted())));
  } catch (error) {
    complain(problem, error);
  }
});

// The camera goes off: what was recorded is whole.
export async function stop() {
  if (isRunning) await ask(`${path}/recording`, "DELETE").catch(() => null); // the server ends it by itself soon
  showRecording(null);
}

export function offerSnapshot(canvas) {
  byId("own-snapshot").addEventListener("click", () => {
    canvas.toBlob((blob) => {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "snapshot.jpg" });
      link.click();
      URL.revokeObjectURL(link.href);
    }, "image/jpeg", QUALITY);
  });
}
