// Records the live picture; there is one recording for everyone. While it runs, header and tab title say so, also in
// views that get no events: then the state is asked for.
import { ask, byId, complain, inOrder, say } from "./ask.js";
import { timeText } from "./clock.js";

const ASK_EVERY = 3000; // milliseconds
const STATES = { finishing: "Finishing …", done: "Done.", none: "", failed: "" };
const TITLE = document.title;
let shown = "";
let heard = 0; // performance.now() of the latest state
let timer = null;
let problem = null; // of the recording, as it was told last

export function showRecording(recording) {
  heard = performance.now();
  const state = JSON.stringify(recording);
  if (state === shown) return;
  shown = state;
  const running = recording.status === "recording";
  const time = timeText(recording.seconds, 0);
  byId("record").setAttribute("aria-pressed", running);
  byId("record").textContent = running ? "Stop" : "Record";
  byId("record").disabled = recording.status === "finishing";
  byId("record-video").disabled = running;
  if (running) byId("record-video").checked = recording.video;
  byId("record-state").textContent = STATES[recording.status] ?? `Recording, ${time}`;
  byId("open-recording").hidden = recording.status !== "done";
  byId("open-recording").dataset.id = recording.id ?? "";
  if (recording.problem !== problem) say(byId("record-problem"), recording.problem ?? "");
  problem = recording.problem;
  byId("recording").hidden = !running;
  byId("recording-time").textContent = time;
  document.title = running ? `● ${time} ${TITLE}` : TITLE;
}

// Events tell it ten times a second, where the live view is open.
async function askAside() {
  if (performance.now() - heard < ASK_EVERY) return;
  const state = await ask("state").catch(() => null);
  if (state) showRecording(state.recording);
}

function begin() {
  clearInterval(timer);
  timer = setInterval(askAside, ASK_EVERY);
}

byId("record").addEventListener("click", async () => {
  const running = byId("record").getAttribute("aria-pressed") === "true";
  say(byId("record-problem"), "");
  try {
    if (running) showRecording(await inOrder(() => ask("recording", "DELETE")));
    else showRecording(await inOrder(() => ask("recording", "POST", { video: byId("record-video").checked })));
  } catch (error) {
    complain(byId("record-problem"), error);
  }
});

window.addEventListener("pageshow", begin);
window.addEventListener("pagehide", () => clearInterval(timer));
begin();
