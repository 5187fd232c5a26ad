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
  byId("copy-state").textContent = (await copy()) ? "Copied." : "This browser can't copy the link. It is selected: press Ctrl+C, or copy it as you would any text.";
});
