// Switches between the three views. Only the open view uses a camera or a connection.
import { byId } from "./ask.js";
import * as live from "./watch.js";
import * as own from "./own.js";
import "./uploads.js";

const none = { open() {}, close() {} };
const views = { live, own, files: none };
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

// While the browser tab is hidden, close its connections: browsers allow only about six per host.
document.addEventListener("visibilitychange", () => {
  if (chosen !== "live") return;
  if (document.hidden) live.close();
  else live.open();
});

choose(tabs[0]);
