// Notes a moment of a camera's view. The moment is when the button or M is pressed, not when its name is written.
import { byId, complain, say } from "./ask.js";

const forms = []; // { view, begin }

// prefix: of the elements' ids. view: the element of the view that they belong to. send: is given the name, and a
// function for the age in seconds.
export function offerMarkers(prefix, view, send) {
  const element = (name) => byId(`${prefix}${name}`);
  const form = element("marker");
  const input = element("marker-name");
  const problem = element("marker-problem");
  let pressed = 0; // performance.now()

  function begin() {
    pressed = performance.now();
    form.hidden = false;
    input.value = "";
    input.focus();
  }

  function end() {
    form.hidden = true;
    element("mark").focus();
  }

  element("mark").addEventListener("click", begin);
  element("marker-cancel").addEventListener("click", end);
  form.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") end();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(problem, "");
    const name = input.value;
    const moment = pressed;
    end();
    try {
      await send(name, () => (performance.now() - moment) / 1000);
    } catch (error) {
      complain(problem, error);
    }
  });
  forms.push({ view, begin });
}

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  if (event.key.toLowerCase() !== "m" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  const open = forms.find(({ view }) => !view.hidden);
  if (!open) return;
  event.preventDefault();
  open.begin();
});
