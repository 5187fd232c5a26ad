// Asks the server how it is every two seconds. A picture that has stopped looks like one that stands still,
// so this is how the page notices that the server has gone, and it starts the picture again when it is back.
"use strict";

const ASK_EVERY = 2000; // milliseconds
const picture = document.getElementById("picture");
const problem = document.getElementById("problem");
const waiting = document.getElementById("waiting");
let gone = false;

function startPicture() {
  picture.src = `${picture.dataset.feed}?${Date.now()}`; // a new address, or the browser keeps the ended one
}

function show(state) {
  document.getElementById("source").textContent = state.source;
  const rate = `${state.fps.toFixed(state.fps < 10 ? 1 : 0)} frames a second`;
  document.getElementById("fps").textContent = state.fps ? rate : ""; // a picture has none
  document.getElementById("viewers").textContent = state.viewers === 1 ? "1 viewer" : `${state.viewers} viewers`;
  say(waiting, state.waiting || "");
  say(problem, state.problem ? `${state.problem} Trying again.` : "");
}

function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

async function ask() {
  try {
    const answer = await fetch("/state", { signal: AbortSignal.timeout(ASK_EVERY * 2) });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
    if (gone) startPicture();
    gone = false;
  } catch {
    gone = true;
    document.getElementById("fps").textContent = document.getElementById("viewers").textContent = "";
    say(waiting, "");
    say(problem, "The server has stopped. Start it again, and the picture comes back by itself.");
  }
  picture.parentElement.classList.toggle("gone", gone);
  setTimeout(ask, ASK_EVERY);
}

// A hidden tab lets go of its picture: browsers allow about six connections to a host.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) picture.removeAttribute("src");
  else startPicture();
});
picture.addEventListener("error", () => setTimeout(startPicture, ASK_EVERY));

ask();
