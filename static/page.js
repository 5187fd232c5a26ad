// Switches between the four views. Only the open view uses a camera or a connection.
import { byId } from "./ask.js";
import * as live from "./watch.js";
import * as own from "./own.js";
import * as recordings from "./recordings.js";
import "./share.js";
import { addFiles, showEarlier } from "./uploads.js";
import { followVisibility } from "./visibility.js";

const files = { open: showEarlier, close() {}, hide() {}, show() {} };
const views = { live, own, files, recordings };
const tabs = [...document.querySelectorAll("[role=tab]")];
let chosen = null;

function choose(tab) {
  const name = tab.getAttribute("aria-controls");
  if (name === chosen) return;
  if (chosen) views[chosen].close();
  chosen = name;
  for (const each of tabs) {
    const selected = each === tab;
    each.setAttribute("aria-selected", selected);
    each.tabIndex = selected ? 0 : -1;
    byId(each.getAttribute("aria-controls")).hidden = !selected;
  }
  views[chosen].open();
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!step) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
}

for (const button of document.querySelectorAll(".open-recording")) {
  button.addEventListener("click", () => {
    choose(byId("tab-recordings"));
    recordings.openRecording(button.dataset.id);
  });
}

for (const button of document.querySelectorAll(".use-own")) {
  button.hidden = !window.isSecureContext; // else no browser would allow it
  button.addEventListener("click", () => {
    choose(byId("tab-own"));
    own.start();
  });
}
document.querySelector(".keep-demo")?.addEventListener("click", () => byId("note").remove());

// A file that is dropped anywhere is analysed; without this, the browser would leave the page for it.
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (!event.dataTransfer.files.length) return;
  choose(byId("tab-files"));
  addFiles(event.dataTransfer.files);
});

choose(tabs[0]);
followVisibility(() => views[chosen].hide(), () => views[chosen].show()); // a hidden page uses nothing either

// Until here a press would have done nothing.
for (const control of document.querySelectorAll("button:disabled, fieldset:disabled")) control.disabled = false;
