// Copies the link for others, where there is one.
import { byId } from "./ask.js";

const link = byId("watch-link");

async function copy() {
  try {
    await navigator.clipboard.writeText(link.value);
    return true;
  } catch { // without https, browsers offer only this older way
    link.focus();
    link.select();
    return document.execCommand("copy");
  }
}

byId("copy-link")?.addEventListener("click", async () => {
  byId("copy-state").textContent = (await copy()) ? "Copied." : "The browser does not copy it; it is selected.";
});
