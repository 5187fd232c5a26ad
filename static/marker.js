// Notes a moment of the live view. The moment is when the button or M is pressed, not when its name is written.
import { ask, byId, complain, say } from "./ask.js";

const form = byId("marker");
const input = byId("marker-name");
const problem = byId("marker-problem");
let pressed = 0; // performance.now()

function begin() {
  pressed = performance.now();
  form.hidden = false;
  input.value = "";
  input.focus();
}

function end() {
  form.hidden = true;
  byId("mark").focus();
}

byId("mark").addEventListener("click", begin);
byId("marker-cancel").addEventListener("click", end);
form.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") end();
});
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  say(problem, "");
  const name = input.value;
  const ago = (performance.now() - pressed) / 1000;
  end();
  try {
    await ask("markers", "POST", { name, ago });
  } catch (error) {
    complain(problem, error);
  }
});
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, select, textarea, dialog");
  if (event.key.toLowerCase() !== "m" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  if (byId("live").hidden) return;
  event.preventDefault();
  begin();
});
