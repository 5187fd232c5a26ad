// The live picture: a stream, single pictures while other windows have the streams, or one that is held.
import { reasonOf } from "./answers.js";
import { byId, say } from "./ask.js";

const AGAIN_AFTER = 2000; // milliseconds
const CHECK_EVERY = 1000;
const PATIENCE = 3; // checks at which the picture is the same though newer frames were analysed
const MOST_PATIENCE = 60;
const QUALITY = 0.95; // of the held picture
const image = byId("picture");
const snapshot = byId("snapshot");
const problem = byId("picture-problem");
const probe = document.createElement("canvas"); // a small copy of the picture, to see whether it moves
[probe.width, probe.height] = [160, 90];
const pixels = probe.getContext("2d", { willReadFrequently: true });
const liveSnapshot = snapshot.href;
let mode = "off"; // or "stream", "singles" or "held"
let holds = 0; // counts the calls of hold, so that an earlier one's picture is not shown
let shown = null; // the address of a single or held picture, to be released
const checked = { at: 0, time: 0, pixels: null, unmoved: 0 };
let patience = PATIENCE;
let isFailing = false; // whether the stream could not be loaded, and is to be requested again

// size: width and height of the picture, whose room is then as large before it is loaded.
export function shape([width, height]) {
  if (image.getAttribute("width") === String(width) && image.getAttribute("height") === String(height)) return;
  image.setAttribute("width", width);
  image.setAttribute("height", height);
}

function show(address, blobAddress = null) {
  if (address) image.src = address;
  else image.removeAttribute("src"); // which ends a stream
  if (shown) URL.revokeObjectURL(shown);
  shown = blobAddress;
}

function showBlob(blob) {
  const address = URL.createObjectURL(blob);
  show(address, address);
}

// hasStream: whether this window may have a stream; otherwise it gets single pictures.
export function open(hasStream) {
  const wanted = hasStream ? "stream" : "singles";
  if (mode === wanted) return;
  release();
  mode = wanted;
  if (hasStream) stream();
}

export function close() {
  release();
  mode = "off";
  show(null);
}

// Requests the stream anew. A new address each time: with the old one, the browser would reuse the stream that ended.
function stream() {
  isFailing = false;
  Object.assign(checked, { at: performance.now(), pixels: null, unmoved: 0 });
  show(`${image.dataset.feed}?${Date.now()}`);
}

export function renew() {
  if (mode === "stream") stream();
}

export function showSingle(blob) {
  if (mode !== "singles") return;
  showBlob(blob);
  say(problem, "");
}

// Call this with every event. When a stream's connection ends, browsers fire no event: the last picture stays, or none
// if the connection ended within a part. So look every second: if newer frames were analysed and the picture is still
// the same, request the stream anew. A source may really show the same thing for long, so wait longer each time that
// this does not help.
export function check(now) {
  if (mode !== "stream" || performance.now() - checked.at < CHECK_EVERY) return;
  checked.at = performance.now();
  if (image.complete && !image.naturalWidth) {
    if (!isFailing) stream();
    return;
  }
  pixels.drawImage(image, 0, 0, probe.width, probe.height);
  const { data } = pixels.getImageData(0, 0, probe.width, probe.height);
  if (!checked.pixels || data.some((value, index) => value !== checked.pixels[index])) {
    if (checked.pixels) patience = PATIENCE;
    checked.pixels = data;
    checked.unmoved = 0;
  } else if (now.time > checked.time && !now.problem) {
    checked.unmoved += 1;
  }
  checked.time = now.time;
  if (checked.unmoved < patience) return;
  patience = Math.min(2 * patience, MOST_PATIENCE);
  stream();
}

image.addEventListener("error", async () => {
  if (mode !== "stream") return;
  isFailing = true;
  const address = image.src;
  const reason = await whyRefused();
  if (mode !== "stream" || image.src !== address) return;
  say(problem, reason);
  setTimeout(() => { if (mode === "stream" && image.src === address) stream(); }, AGAIN_AFTER);
});
image.addEventListener("load", () => say(problem, ""));

// An image does not tell why it could not be loaded. If the server does not answer, the live events say so.
async function whyRefused() {
  const request = new AbortController();
  try {
    const response = await fetch(image.dataset.feed, { signal: request.signal });
    return response.ok ? "" : await reasonOf(response);
  } catch {
    return "";
  } finally {
    request.abort();
  }
}

// Holds the picture that is shown now; the button Snapshot then saves it.
export async function hold() {
  mode = "held";
  const mine = ++holds;
  const blob = (await copy()) ?? (await newest());
  if (!blob || mode !== "held" || holds !== mine) return;
  showBlob(blob);
  snapshot.href = shown;
}

function release() {
  snapshot.href = liveSnapshot;
  say(problem, "");
}

function copy() {
  if (!image.naturalWidth) return null; // nothing is shown yet
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d").drawImage(image, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

async function newest() {
  const response = await fetch(liveSnapshot).catch(() => null);
  return response?.ok ? response.blob() : null;
}
