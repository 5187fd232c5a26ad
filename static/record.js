// Records the live picture; there is one recording for everyone.
import { ask, byId, complain, say } from "./ask.js";

const NAMES = { "table.csv": "Table", "timeline.png": "Timeline", "video.mp4": "Annotated video" };
const STATES = { finishing: "Drawing the timeline …", done: "Done.", none: "", failed: "" };
let shown = "";

function minutes(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

export function showRecording(recording) {
  const state = JSON.stringify(recording);
  if (state === shown) return;
  shown = state;
  const running = recording.status === "recording";
  byId("record").setAttribute("aria-pressed", running);
  byId("record").textContent = running ? "Stop" : "Record";
  byId("record").disabled = recording.status === "finishing";
  byId("record-video").disabled = running;
  if (running) byId("record-video").checked = recording.video;
  byId("record-state").textContent = STATES[recording.status] ?? `Recording, ${minutes(recording.seconds)}`;
  say(byId("record-problem"), recording.problem ?? "");
  byId("record-files").replaceChildren(
    ...recording.files.map((file) => {
      const link = document.createElement("a");
      Object.assign(link, { className: "button", href: `recording/${file}?download`, textContent: NAMES[file] });
      return link;
    }),
  );
}

byId("record").addEventListener("click", async () => {
  const running = byId("record").getAttribute("aria-pressed") === "true";
  try {
    if (running) showRecording(await ask("recording", "DELETE"));
    else showRecording(await ask("recording", "POST", { video: byId("record-video").checked }));
  } catch (error) {
    complain(byId("record-problem"), error);
  }
});
