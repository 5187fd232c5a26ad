// Uploads pictures and videos one after another, shows what was found in them, and removes them again.
import { ask, byId, complain } from "./ask.js";
import { showPicture } from "./picture_result.js";
import { forgetOldPictures, forgetPicture, keepPicture, storedPicture } from "./picture_store.js";
import { showVideo } from "./player.js";
import { Progress } from "./progress.js";
import { sendFile } from "./send.js";

const ASK_EVERY = 500; // milliseconds
const AGAIN_AFTER = 2000; // milliseconds, where the server does not answer
const HELPLESS = [400, 403, 413, 415]; // statuses of answers that would be the same again
const GONE = "The server no longer has this video.";
const ORDER = "uploads"; // in the tab's storage: the IDs of what is listed, from top to bottom
const list = byId("uploads");
const unsent = new Set(); // uploads that closing the page would lose
const cleaned = forgetOldPictures();
let queue = Promise.resolve();
let isListed = false; // whether what was uploaded before the page was loaded is listed

// An upload: { name, file: null for a video that was sent before the page was loaded; card; ending: an AbortController
// that removing it aborts; address: of a video on the server; again: what "Try again" does }
function makeUpload(name, file) {
  const card = byId("upload").content.firstElementChild.cloneNode(true);
  const upload = { name, file, card, ending: new AbortController(), address: null, again: null };
  card.querySelector("h3").textContent = name;
  const [again, removing] = [card.querySelector(".again"), card.querySelector(".remove")];
  again.setAttribute("aria-label", `Try again with ${name}`);
  removing.setAttribute("aria-label", `Remove ${name}`);
  again.addEventListener("click", () => {
    removing.focus(); // else the focus would go with the button
    upload.again();
  });
  removing.addEventListener("click", () => remove(upload));
  return upload;
}

const isRemoved = (upload) => upload.ending.signal.aborted;

function add(file) {
  const upload = makeUpload(file.name, file);
  list.prepend(upload.card);
  enqueue(upload);
}

function enqueue(upload) {
  setUnsent(upload, true);
  tell(upload, "Waiting …");
  const analyse = upload.file.type.startsWith("image/") ? analysePicture : sendVideo;
  queue = queue
    .then(() => isRemoved(upload) || analyse(upload))
    .catch((error) => fail(upload, error, () => enqueue(upload)))
    .finally(() => setUnsent(upload, false));
}

function setUnsent(upload, isUnsent) {
  if (isUnsent) unsent.add(upload);
  else unsent.delete(upload);
  // Only while it is needed: with it, browsers do not keep the page for the Back button.
  if (unsent.size) window.addEventListener("beforeunload", askFirst);
  else window.removeEventListener("beforeunload", askFirst);
}

function askFirst(event) {
  event.preventDefault();
  event.returnValue = true; // which some browsers need
}

// doing: is said by screen readers. far: how far it is, which changes too often for that.
function tell({ card }, doing, share = null, far = "") {
  const place = card.querySelector(".doing");
  if (place.textContent !== doing) place.textContent = doing;
  card.querySelector(".far").textContent = far && `, ${far}`;
  card.querySelector(".again").hidden = true;
  const bar = card.querySelector("progress");
  bar.hidden = share === null;
  bar.value = share ?? 0;
  bar.setAttribute("aria-label", doing);
}

// again: what may help, or null.
function fail(upload, error, again) {
  tell(upload, error.message);
  upload.again = again;
  upload.card.querySelector(".again").hidden = !again || HELPLESS.includes(error.status);
}

// Gives a card the ID of its picture or video, by which a later page finds its place in the list.
function identify({ card }, id) {
  card.dataset.id = id;
  rememberOrder();
}

function rememberOrder() {
  try {
    sessionStorage.setItem(ORDER, JSON.stringify([...list.children].flatMap((card) => card.dataset.id ?? [])));
  } catch {
    // This browser keeps nothing.
  }
}

function rememberedOrder() {
  try {
    return JSON.parse(sessionStorage.getItem(ORDER)) ?? [];
  } catch {
    return [];
  }
}

async function analysePicture(upload) {
  tell(upload, "Analysing …");
  const form = new FormData();
  form.append("picture", upload.file);
  const answer = (await ask("api/predict", "POST", form)).images[0];
  if (isRemoved(upload)) return;
  const id = crypto.randomUUID?.() ?? String(Math.random());
  identify(upload, id);
  keepPicture({ id, file: upload.file, answer }).then(() => isRemoved(upload) && forgetPicture(id));
  await showAnswer(upload, answer);
}

function showAnswer(upload, answer) {
  tell(upload, answer.faces.length === 1 ? "1 face" : `${answer.faces.length} faces`);
  return showPicture(upload.card.querySelector(".result"), upload.file, answer);
}

async function sendVideo(upload) {
  const progress = new Progress();
  const report = (share) => tell(upload, "Uploading", share, progress.tell(share));
  const path = `videos?name=${encodeURIComponent(upload.name)}`;
  const video = await sendFile(path, upload.file, report, upload.ending.signal);
  upload.address = `videos/${video.id}`;
  if (isRemoved(upload)) return deleteVideo(upload);
  identify(upload, video.id);
  follow(upload);
}

function follow(upload) {
  followToItsEnd(upload).catch((error) => {
    if (error.status === 404) fail(upload, new Error(GONE), upload.file && (() => enqueue(upload)));
    else fail(upload, error, () => follow(upload));
  });
}

async function followToItsEnd(upload) {
  const progress = new Progress();
  while (!isRemoved(upload)) {
    const { status, share, problem } = await askUntilAnswered(upload);
    if (status === "done") return showOutputs(upload, problem);
    if (status === "failed") return fail(upload, new Error(problem), () => analyseAgain(upload));
    if (status === "queued") tell(upload, "Waiting for its turn …");
    else tell(upload, "Analysing", share, progress.tell(share));
    await pause(ASK_EVERY);
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function askUntilAnswered(upload) {
  for (;;) {
    try {
      return await ask(upload.address);
    } catch (error) {
      if (!error.isUnreachable || isRemoved(upload)) throw error;
      tell(upload, error.message);
      await pause(AGAIN_AFTER);
    }
  }
}

function showOutputs(upload, problem) {
  tell(upload, problem ?? "Done.");
  const place = upload.card.querySelector(".result");
  place.hidden = false;
  return showVideo(place, upload.address, () => {
    place.hidden = true;
    follow(upload);
  });
}

async function analyseAgain(upload) {
  tell(upload, "Waiting for its turn …");
  // If this fails, following the video says so, or it is analysed again already, for another tab.
  await ask(`${upload.address}/again`, "POST").catch(() => null);
  follow(upload);
}

function remove(upload) {
  upload.ending.abort();
  const next = upload.card.nextElementSibling ?? upload.card.previousElementSibling;
  upload.card.remove();
  (next?.querySelector(".remove") ?? byId("choose-files")).focus(); // else it would be lost
  setUnsent(upload, false);
  rememberOrder();
  if (upload.address) deleteVideo(upload);
  else if (upload.card.dataset.id) forgetPicture(upload.card.dataset.id);
}

function deleteVideo(upload) {
  // If this fails, the server deletes the video after a day.
  fetch(upload.address, { method: "DELETE", keepalive: true }).catch(() => null);
}

// Lists this browser's videos and this tab's pictures of before the page was loaded, below newer ones.
export async function showEarlier() {
  if (isListed) return;
  isListed = true;
  const order = rememberedOrder();
  await cleaned;
  const found = new Map();
  for (const picture of await Promise.all(order.map(storedPicture))) if (picture) found.set(picture.id, picture);
  const { videos } = await ask("videos").catch((error) => {
    complain(byId("uploads-problem"), new Error(`Your earlier videos can't be listed. ${error.message}`));
    return { videos: [] };
  });
  for (const video of videos.reverse()) found.set(video.id, video);
  const places = [...order.filter((id) => found.has(id)), ...[...found.keys()].filter((id) => !order.includes(id))];
  for (const id of places) showAgain(id, found.get(id));
  rememberOrder();
}

// earlier: a picture of the browser's store, or the state of a video.
function showAgain(id, earlier) {
  const upload = makeUpload(earlier.file?.name ?? earlier.name, earlier.file ?? null);
  upload.card.dataset.id = id;
  list.append(upload.card);
  if (upload.file) return showAnswer(upload, earlier.answer);
  upload.address = `videos/${id}`;
  return follow(upload);
}

byId("choose-files").addEventListener("change", ({ target }) => {
  for (const file of target.files) add(file);
  target.value = "";
});

// Where a file is dropped does not matter; see page.js.
export function addFiles(files) {
  for (const file of files) add(file);
}

for (const event of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(event, ({ relatedTarget }) => {
    const isOver = event !== "drop" && (event !== "dragleave" || relatedTarget !== null);
    byId("drop").classList.toggle("over", isOver);
  });
}
