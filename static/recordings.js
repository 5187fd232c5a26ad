// The list of recordings: opens them in the player, renames, keeps and deletes them.
import { ask, byId, complain, say } from "./ask.js";
import { dateAndTime, timeText } from "./clock.js";
import { showVideo } from "./player.js";

const ASK_EVERY = 1000; // milliseconds, while the view is open
const FINISHED_WITHIN = 60_000; // milliseconds; a long recording takes seconds
const list = byId("recordings-list");
const cards = new Map(); // by id
let timer = null;

async function refresh() {
  try {
    const { recordings, folder } = await ask("recordings");
    for (const place of document.querySelectorAll(".recordings-folder")) place.textContent = folder;
    say(byId("recordings-problem"), "");
    byId("no-recordings").hidden = recordings.length > 0;
    show(recordings);
  } catch (error) {
    complain(byId("recordings-problem"), error);
  }
}

function show(recordings) {
  const present = new Set(recordings.map(({ id }) => id));
  for (const [id, card] of cards) {
    if (present.has(id)) continue;
    card.remove();
    cards.delete(id);
  }
  recordings.forEach((recording, index) => {
    const card = cards.get(recording.id) ?? add(recording.id);
    if (list.children[index] !== card) list.insertBefore(card, list.children[index]);
    fill(card, recording);
  });
}

function add(id) {
  const card = byId("recording-card").content.firstElementChild.cloneNode(true);
  const on = (button, act) =>
    card.querySelector(button).addEventListener("click", () => {
      const problem = card.querySelector(".warn");
      say(problem, "");
      return Promise.resolve(act(card, id)).catch((error) => complain(problem, error));
    });
  on(".open", toggle);
  on(".rename", rename);
  on(".delete", remove);
  on(".keep", (_, which) => change(which, { kept: card.querySelector(".keep").checked }));
  cards.set(id, card);
  return card;
}

const STATUS = { recording: "Recording now", finishing: "Being finished" };

function fill(card, { title, began, source, seconds, faces, status, own, kept, until, problem }) {
  card.dataset.title = title;
  card.querySelector("h3").textContent = title;
  const parts = [dateAndTime(began), source, timeText(seconds, 0)];
  if (faces !== null) parts.push(faces === 1 ? "1 face" : `${faces} faces`);
  if (STATUS[status]) parts.push(STATUS[status]);
  if (until) parts.push(`deleted on ${dateAndTime(until)}`);
  card.querySelector(".about").textContent = parts.join(" · ");
  card.querySelector(".open").disabled = status !== "done";
  card.querySelector(".delete").disabled = status === "recording";
  card.querySelector(".kept").hidden = !own;
  card.querySelector(".keep").checked = kept;
  say(card.querySelector(".problem"), problem ?? "");
}

async function toggle(card, id) {
  const place = card.querySelector(".result");
  const button = card.querySelector(".open");
  const isOpen = !place.hidden;
  place.replaceChildren();
  place.hidden = isOpen;
  button.textContent = isOpen ? "Open" : "Close";
  button.setAttribute("aria-expanded", !isOpen);
  if (!isOpen) await showVideo(place, `recordings/${id}`);
}

async function change(id, changes) {
  await ask(`recordings/${id}`, "PATCH", changes);
  await refresh();
}

// Asks in a dialog. Resolves to what was answered, or null.
function question(id, prepare = () => {}) {
  const dialog = byId(id);
  prepare(dialog);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue || null), { once: true });
  });
}

async function rename(card, id) {
  const input = byId("new-title");
  const answer = await question("rename-dialog", () => { input.value = card.dataset.title; });
  if (answer && input.value.trim()) await change(id, { title: input.value });
}

async function remove(card, id) {
  const answer = await question("delete-dialog", () => { byId("to-delete").textContent = card.dataset.title; });
  if (!answer) return;
  await ask(`recordings/${id}`, "DELETE");
  await refresh();
}

// Opens a recording in the list, once it is finished.
export async function openRecording(id) {
  for (let left = FINISHED_WITHIN / ASK_EVERY; left > 0; left -= 1) {
    await refresh();
    const card = cards.get(id);
    const button = card?.querySelector(".open");
    if (button && !button.disabled) {
      if (card.querySelector(".result").hidden) button.click();
      card.scrollIntoView({ block: "start" });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
  }
}

export function open() {
  refresh();
  timer = setInterval(refresh, ASK_EVERY);
}

export function close() {
  clearInterval(timer);
}

export { close as hide, open as show };
