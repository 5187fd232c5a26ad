// Plays an analysed video above its timeline; a click on the timeline, or the arrow keys, seek.
import { ask, say } from "./ask.js";
import { Timeline } from "./timeline.js";

const STEP = 1; // seconds
const template = document.getElementById("video-result");

// again: is called when the video is to be analysed again, and has to wait for that.
export async function showVideo(place, address, again) {
  place.replaceChildren(template.content.cloneNode(true));
  const video = place.querySelector("video");
  const canvas = place.querySelector("canvas");
  const timeline = new Timeline(canvas, place.querySelector(".words"), 1);
  for (const link of place.querySelectorAll("[data-output]")) link.href = `${address}/${link.dataset.output}?download`;
  video.src = `${address}/video.mp4`;
  const table = await ask(`${address}/table.json`);
  table.time.forEach((time, row) => {
    if (table.label[row]) timeline.note(time, table.face[row], table.label[row], table.sure[row]);
  });

  const numbers = new Map(); // how often each face is there
  for (const face of table.face) numbers.set(face, (numbers.get(face) ?? 0) + 1);
  const choice = place.querySelector(".rest-of");
  const byTime = [...numbers.keys()].sort((one, other) => numbers.get(other) - numbers.get(one));
  choice.append(...byTime.map((face) => new Option(face)));
  place.querySelector(".resting").hidden = !byTime.length;
  place.querySelector(".rest").addEventListener("click", async () => {
    const problem = place.querySelector(".warn");
    say(problem, "");
    try {
      await ask(`${address}/rest`, "POST", { face: Number(choice.value), seconds: video.currentTime });
      again();
    } catch (error) {
      say(problem, error.message);
    }
  });

  function draw() {
    if (!video.duration) return;
    timeline.span = timeline.end = video.duration;
    timeline.cursor = video.currentTime;
    canvas.setAttribute("aria-valuemax", video.duration.toFixed(1));
    canvas.setAttribute("aria-valuenow", video.currentTime.toFixed(1));
    timeline.draw();
  }

  function goTo(time) {
    video.currentTime = Math.min(Math.max(0, time), video.duration);
  }

  for (const event of ["loadedmetadata", "timeupdate", "seeking"]) video.addEventListener(event, draw);
  new ResizeObserver(draw).observe(place);
  canvas.addEventListener("click", ({ offsetX }) => goTo(timeline.timeAt(offsetX)));
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: STEP, ArrowUp: STEP, ArrowLeft: -STEP, ArrowDown: -STEP, Home: -Infinity, End: Infinity };
    if (!(event.key in steps)) return;
    event.preventDefault();
    goTo(video.currentTime + steps[event.key]);
  });
  draw();
}
