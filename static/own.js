// This browser's own camera: sends its frames to the server one at a time, and shows the faces that it answers with.
import { ask, byId } from "./ask.js";
import { drawBoxes } from "./boxes.js";
import { Faces } from "./faces.js";

const WIDTH = 640; // pixels, of the frames that are sent
const QUALITY = 0.8;
const AGAIN_AFTER = 1000; // milliseconds after an error
const INSECURE = "Browsers allow the camera only on https pages and on localhost. Start the program with --certfile and "
  + "--keyfile, or connect through ssh; docs/page-and-remote.md says how.";
const REASONS = {
  NotAllowedError: "Camera access was denied. Allow it next to the page's address, then start again.",
  NotFoundError: "No camera found on this device.",
  NotReadableError: "Another program is using the camera.",
};
const video = byId("own-video");
const overlay = byId("own-boxes");
const sent = document.createElement("canvas");
const faces = new Faces(byId("own-faces"), byId("own-nobody"));
const page = crypto.randomUUID?.() ?? String(Math.random());
let camera = null;

function tell(text) {
  byId("own-state").textContent = text;
}

async function start() {
  if (!navigator.mediaDevices) return tell(INSECURE);
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, facingMode: "user" } });
  } catch (error) {
    return tell(REASONS[error.name] ?? `The camera can't be used: ${error.message}`);
  }
  video.srcObject = camera;
  await video.play();
  byId("own-start").textContent = "Stop the camera";
  byId("own-start").setAttribute("aria-pressed", "true");
  send(camera);
}

async function send(mine) {
  const latest = [];
  while (camera === mine) {
    try {
      const answer = await ask(`/api/frames/${page}`, "POST", await grab());
      if (camera !== mine) return;
      show(answer);
      latest.push(performance.now());
      if (latest.length > 20) latest.shift();
      const rate = (1000 * (latest.length - 1)) / (latest.at(-1) - latest[0]);
      tell(rate ? `Analysing ${rate.toFixed(0)} frames per second. Nothing is saved.` : "");
    } catch (error) {
      tell(error.message);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
    }
  }
}

// Waits for the camera's next frame and returns it as a JPEG.
async function grab() {
  await new Promise((resolve) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
  sent.width = Math.min(WIDTH, video.videoWidth);
  sent.height = Math.round((sent.width * video.videoHeight) / video.videoWidth);
  sent.getContext("2d").drawImage(video, 0, 0, sent.width, sent.height);
  return new Promise((resolve) => sent.toBlob(resolve, "image/jpeg", QUALITY));
}

// Shows the analysed frame itself, not the live video, so that the boxes fit it.
function show({ size, faces: found }) {
  const mirrored = byId("own-mirror").checked;
  [overlay.width, overlay.height] = size;
  const context = overlay.getContext("2d");
  context.save();
  if (mirrored) context.setTransform(-1, 0, 0, 1, overlay.width, 0);
  context.drawImage(sent, 0, 0);
  context.restore();
  drawBoxes(context, found, mirrored);
  faces.show(found);
}

function stop() {
  for (const track of camera?.getTracks() ?? []) track.stop();
  camera = video.srcObject = null;
  overlay.width = overlay.width; // clears it
  faces.show([]);
  byId("own-start").textContent = "Start the camera";
  byId("own-start").setAttribute("aria-pressed", "false");
  tell("The camera is off.");
}

export function open() {
  if (!window.isSecureContext) tell(INSECURE);
}

export function close() {
  if (camera) stop();
}

byId("own-start").addEventListener("click", () => (camera ? stop() : start()));
