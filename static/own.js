// This browser's own camera: sends its frames to the server one at a time, and shows the faces that it answers with.
import { ask, byId, inOrder, put } from "./ask.js";
import { drawBoxes, mirroredFace } from "./boxes.js";
import { Cameras } from "./cameras.js";
import { FacePanel, LIVE } from "./face_panel.js";
import { offerFullScreen } from "./full_screen.js";
import { Light } from "./lighting.js";
import { offerMarkers } from "./marker_form.js";
import * as record from "./own_record.js";
import { Timeline } from "./timeline.js";

const LONGEST_SIDE = 640; // pixels, of the frames that are sent
const QUALITY = 0.8;
const AGAIN_AFTER = 1000; // milliseconds after an error
const FRAME_LONGEST = 3000; // milliseconds until a camera without a new frame is said to send none
const RATE_OVER = 20; // frames
const INSECURE = "Browsers allow the camera only on https pages and on localhost. Start the program with --certfile and "
  + "--keyfile, or connect through ssh; docs/page-and-remote.md says how.";
const REASONS = {
  NotAllowedError: "Camera access was denied. Allow it next to the page's address, then start again.",
  NotFoundError: "No camera found on this device.",
  NotReadableError: "Another program is using the camera.",
};
const OFF = "The camera is off.";
const ALLOW = "Waiting for the camera. If the browser asks, allow it.";
const UNPLUGGED = "The camera was unplugged. Plug it in, then start it again.";
const WITHDRAWN = "The browser no longer allows the camera. Allow it next to the page's address, then start again.";
const MUTED = "The browser or the system has paused the camera. Turn it on again there.";
const NO_FRAMES = "The camera sends no picture. If this lasts, unplug it and plug it in again.";
const video = byId("own-video");
const overlay = byId("own-boxes");
const sent = document.createElement("canvas");
const page = crypto.randomUUID?.() ?? String(Math.random());
const path = `api/frames/${page}`;
const rest = (face) => ask(`${path}/rest`, "POST", { face });
const panel = new FacePanel(byId("own-faces"), { ...LIVE, rest, point: (number) => light.set(number) });
const light = new Light(panel, overlay, () => shown);
const cameras = new Cameras(byId("own-camera"), restart);
const timeline = new Timeline(byId("own-timeline"), byId("own-timeline-words"), LIVE.span);
record.use(path);
record.offerSnapshot(overlay);
offerMarkers("own-", byId("own"), async (name, ago) => {
  timeline.markers.push({ time: Date.now() / 1000 - ago(), name });
  await inOrder(() => ask(`${path}/markers`, "POST", { name, ago: ago() }));
});
// From Start to Stop; what belongs to an earlier one comes too late and is ignored.
// { camera: the MediaStream, or null until the browser allows it; permission: as it was then; isMuted }
let session = null;
let resumes = false; // whether it was on when the page was hidden
let shown = { faces: [], size: [1, 1] }; // the latest faces, as they are shown

const tell = (text) => put(byId("own-state"), text);

export async function start() {
  if (!navigator.mediaDevices) return tell(INSECURE);
  const mine = { camera: null, permission: null, isMuted: false };
  session = mine;
  tell(ALLOW);
  try {
    const camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, ...cameras.wanted } });
    if (session !== mine) return turnOff(camera); // the view was left before the browser allowed it
    use(mine, camera);
    await video.play();
  } catch (error) {
    cameras.forget(); // the chosen one may be gone
    if (session === mine) stop(REASONS[error.name] ?? `The camera can't be used: ${error.message}`);
    return;
  }
  if (session === mine) sendFrames(mine);
}

function use(mine, camera) {
  mine.camera = camera;
  permissionState().then((state) => { mine.permission = state; });
  for (const track of camera.getTracks()) {
    track.addEventListener("ended", () => explainEnd(mine));
    track.addEventListener("mute", () => setMuted(mine, true));
    track.addEventListener("unmute", () => setMuted(mine, false));
  }
  video.srcObject = camera;
  cameras.show(camera);
  showButton(true);
}

// After another camera was chosen.
function restart() {
  if (!session?.camera) return;
  turnOff(session.camera);
  start();
}

function setMuted(mine, isMuted) {
  mine.isMuted = isMuted;
  if (session !== mine || !isMuted) return;
  clear();
  tell(MUTED);
}

function turnOff(camera) {
  for (const track of camera?.getTracks() ?? []) track.stop();
}

function stop(reason = OFF) {
  turnOff(session.camera);
  record.stop();
  session = video.srcObject = null;
  clear();
  showButton(false);
  tell(reason);
}

// A camera ends when it is unplugged, and also when the browser is told not to allow it any more.
async function explainEnd(mine) {
  if (session !== mine) return;
  stop();
  const isWithdrawn = mine.permission === "granted" && (await permissionState()) !== "granted";
  if (!session) tell(isWithdrawn ? WITHDRAWN : UNPLUGGED);
}

// "granted", "denied" or "prompt"; null where the browser does not tell.
async function permissionState() {
  const permission = await navigator.permissions?.query({ name: "camera" }).catch(() => null);
  return permission?.state ?? null;
}

function showButton(isOn) {
  const [shows, hides] = [byId("own-stop"), byId("own-start")];
  const hadFocus = (isOn ? hides : shows) === document.activeElement;
  shows.hidden = !isOn;
  hides.hidden = isOn;
  if (hadFocus) (isOn ? shows : hides).focus();
  byId("own-full").hidden = !isOn || !document.fullscreenEnabled;
  if (!isOn) cameras.hide();
}

function clear() {
  byId("own-snapshot").disabled = true;
  overlay.width = overlay.width; // clears it
  shown = { ...shown, faces: [] };
  panel.clear();
  light.set(null);
}

async function sendFrames(mine) {
  const latest = []; // when the latest frames were answered
  while (session === mine) {
    const problem = await sendFrame(mine);
    if (session !== mine) return;
    if (problem) {
      latest.length = 0;
      clear();
      tell(problem);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
      continue;
    }
    latest.push(performance.now());
    if (latest.length > RATE_OVER) latest.shift();
    const rate = (1000 * (latest.length - 1)) / (latest.at(-1) - latest[0]);
    tell(rate ? `Analysing ${rate.toFixed(0)} frames per second. Nothing is saved unless you record it.` : "");
  }
}

// Sends the camera's next frame and shows what is found in it. Returns what is wrong, or null.
async function sendFrame(mine) {
  const isNew = await nextFrame();
  if (session !== mine) return null;
  if (mine.isMuted) return MUTED;
  if (!isNew) return NO_FRAMES;
  try {
    const answer = await ask(path, "POST", await grab());
    if (mine.isMuted) return MUTED;
    if (session === mine) showFaces(answer);
    return null;
  } catch (error) {
    return error.message;
  }
}

// Waits for the camera's next frame. Returns whether it came.
function nextFrame() {
  return new Promise((resolve) => {
    const request = video.requestVideoFrameCallback?.(done) ?? requestAnimationFrame(done);
    const timer = setTimeout(() => {
      video.cancelVideoFrameCallback?.(request);
      resolve(false);
    }, FRAME_LONGEST);
    function done() {
      clearTimeout(timer);
      resolve(video.videoWidth > 0);
    }
  });
}

// The video's frame as a JPEG.
function grab() {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  sent.width = Math.round(scale * video.videoWidth);
  sent.height = Math.round(scale * video.videoHeight);
  sent.getContext("2d").drawImage(video, 0, 0, sent.width, sent.height);
  return new Promise((resolve) => sent.toBlob(resolve, "image/jpeg", QUALITY));
}

// Shows the analysed frame itself, not the live video, so that the boxes fit it.
function showFaces({ size, faces: found, recording }) {
  const mirrored = byId("own-mirror").checked;
  [overlay.width, overlay.height] = size;
  overlay.parentElement.style.setProperty("--ratio", size[0] / size[1]);
  const now = Date.now() / 1000;
  shown = { faces: mirrored ? found.map((face) => mirroredFace(face, size[0])) : found, size };
  const context = overlay.getContext("2d");
  context.save();
  if (mirrored) context.setTransform(-1, 0, 0, 1, overlay.width, 0);
  context.drawImage(sent, 0, 0);
  context.restore();
  drawBoxes(context, found, mirrored, light.face);
  panel.show(found, now);
  timeline.add(now, found);
  record.showRecording(recording);
  byId("own-snapshot").disabled = false;
}

export function open() {
  if (!window.isSecureContext) tell(INSECURE);
  if (session) return;
  clear();
  record.showRecording(null);
}

export function close() {
  resumes = false;
  if (session) stop();
}

export function hide() {
  resumes = session !== null;
  if (session) stop();
}

export function show() {
  if (resumes) start();
}

byId("own-start").addEventListener("click", () => {
  if (!session) start(); // else it is being started, and one press is enough for that
});
byId("own-stop").addEventListener("click", () => stop());
offerFullScreen(byId("own-full"), byId("own-stage"));
