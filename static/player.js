// An analysed video above its timeline, on which a click or the arrow keys go to a moment.
import { Timeline } from "./timeline.js";

const STEP = 1; // seconds
const template = document.getElementById("video-result");

// The faces in a table as text, as [{ time, face, label }]. Only the first column, a name, can have commas in it.
function read(table) {
  const [head, ...lines] = table.trim().split("\n");
  const columns = head.split(",");
  const fromEnd = (name) => columns.indexOf(name) - columns.length;
  return lines.map((line) => {
    const cells = line.split(",");
    const cell = (name) => cells.at(fromEnd(name));
    return { time: Number(cell("time")), face: Number(cell("face")), label: cell("label") };
  });
}

export async function showVideo(place, address) {
  place.replaceChildren(template.content.cloneNode(true));
  const video = place.querySelector("video");
  const canvas = place.querySelector("canvas");
  const timeline = new Timeline(canvas, place.querySelector(".words"), 1);
  for (const link of place.querySelectorAll("[data-output]")) link.href = `${address}/${link.dataset.output}?download`;
  video.src = `${address}/video.mp4`;
  const rows = read(await (await fetch(`${address}/table.csv`)).text());
  for (const { time, face, label } of rows) timeline.note(time, face, label);

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
