// Uploads pictures and videos one after another, shows what was found in them, and removes them again.
import { reasonOf } from "./answers.js";
import { ask, byId } from "./ask.js";
import { drawBoxes } from "./boxes.js";
import { Faces } from "./faces.js";
import { showVideo } from "./player.js";

const ASK_EVERY = 500; // milliseconds
const UPLOAD_FAILED = "The upload failed: the server is not responding, or the file is too large.";
const LONGEST_SIDE = 1920; // pixels of a picture, as shown
const list = byId("uploads");
const videos = new Set(); // addresses of this page's videos on the server
let queue = Promise.resolve();

function add(file) {
  const card = byId("upload").content.firstElementChild.cloneNode(true);
  card.querySelector("h3").textContent = file.name;
  const upload = { file, card, address: null, removed: false };
  tell(upload, "Waiting …");
  card.querySelector(".remove").setAttribute("aria-label", `Remove ${file.name}`);
  card.querySelector(".remove").addEventListener("click", () => remove(upload));
  list.prepend(card);
  queue = queue.then(() => look(upload)).catch((error) => tell(upload, error.message));
}

function tell({ card }, text, share = null) {
  card.querySelector(".state").textContent = text;
  const bar = card.querySelector("progress");
  bar.hidden = share === null;
  bar.value = share ?? 0;
  bar.setAttribute("aria-label", text);
}

async function look(upload) {
  if (upload.removed) return;
  if (upload.file.type.startsWith("image/")) return lookAtPicture(upload);
  return sendVideo(upload);
}

async function lookAtPicture(upload) {
  tell(upload, "Analysing …");
  const form = new FormData();
  form.append("picture", upload.file);
  const response = await fetch("api/predict", { method: "POST", body: form }).catch(() => null);
  if (!response) return tell(upload, "The server is not responding.");
  if (!response.ok) return tell(upload, await reasonOf(response));
  const { faces } = (await response.json()).images[0];
  tell(upload, faces.length === 1 ? "1 face" : `${faces.length} faces`);
  const place = upload.card.querySelector(".result");
  place.replaceChildren(byId("picture-result").content.cloneNode(true));
  place.hidden = false;
  await showPicture(place.querySelector("canvas"), upload.file, faces);
  new Faces(place.querySelector(".faces"), place.querySelector(".nobody")).show(faces);
}

async function showPicture(canvas, file, faces) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return; // a format that the server can read and this browser can't
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.width, image.height));
  canvas.width = Math.round(scale * image.width);
  canvas.height = Math.round(scale * image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  drawBoxes(context, faces.map((face) => ({ ...face, box: face.box.map((value) => scale * value) })));
}

// Uses XMLHttpRequest because fetch doesn't report how much is sent.
function send(upload) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    upload.request = request;
    request.upload.addEventListener("progress", ({ loaded, total }) => tell(upload, "Uploading …", loaded / total));
    request.addEventListener("error", () => reject(new Error(UPLOAD_FAILED)));
    request.addEventListener("abort", () => resolve(null));
    request.addEventListener("load", async () => {
      const response = new Response(request.responseText, { status: request.status });
      if (response.ok) resolve(response.json());
      else reject(new Error(await reasonOf(response)));
    });
    request.open("POST", `videos?name=${encodeURIComponent(upload.file.name)}`);
    request.send(upload.file);
  });
}

async function sendVideo(upload) {
  const video = await send(upload);
  if (!video) return;
  upload.address = `videos/${video.id}`;
  videos.add(upload.address);
  if (upload.removed) remove(upload);
  else follow(upload).catch((error) => tell(upload, error.message));
}

async function follow(upload) {
  const texts = { queued: "Waiting for its turn …", analysing: "Analysing …" };
  while (!upload.removed) {
    const { status, share, problem } = await ask(upload.address);
    if (status === "failed") return tell(upload, problem);
    if (status === "done") {
      tell(upload, problem ?? "Done.");
      const place = upload.card.querySelector(".result");
      place.hidden = false;
      return showVideo(place, upload.address, () => {
        place.hidden = true;
        follow(upload).catch((error) => tell(upload, error.message));
      });
    }
    tell(upload, texts[status], status === "analysing" ? share : null);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
  }
}

function remove(upload) {
  upload.removed = true;
  upload.request?.abort();
  upload.card.remove();
  if (!upload.address) return;
  videos.delete(upload.address);
  // If this fails, the server deletes the video after a day.
  fetch(upload.address, { method: "DELETE", keepalive: true }).catch(() => null);
}

byId("choose-files").addEventListener("change", ({ target }) => {
  for (const file of target.files) add(file);
  target.value = "";
});

const drop = byId("drop");
for (const event of ["dragover", "dragleave", "drop"]) {
  drop.addEventListener(event, (dragged) => {
    dragged.preventDefault();
    drop.classList.toggle("over", event === "dragover");
    if (event === "drop") for (const file of dragged.dataTransfer.files) add(file);
  });
}

window.addEventListener("pagehide", () => {
  for (const address of videos) fetch(address, { method: "DELETE", keepalive: true });
});
