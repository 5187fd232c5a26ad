// Chooses the live source for everyone: a camera of the server's machine, the demo, or a network camera's address.
import { ask, byId, complain, say } from "./ask.js";

const place = byId("sources");
let change = null; // has the server watch a source

// watch: has the server watch a source, and resolves to its state.
export function offerSources(watch) {
  change = watch;
}

async function watch(source) {
  say(byId("choose-problem"), "");
  say(byId("choose-state"), "Opening …"); // the server first tries an address, which may take seconds
  try {
    showSources((await change(source)).source);
  } catch (error) {
    complain(byId("choose-problem"), error);
  } finally {
    say(byId("choose-state"), "");
  }
}

export async function showSources(current) {
  const { sources } = await ask("sources").catch(() => ({ sources: null }));
  if (!sources) return; // the server does not answer, which the live view says
  const focused = document.activeElement?.dataset?.source;
  place.replaceChildren(
    ...sources.map((source) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = button.dataset.source = source;
      button.setAttribute("aria-pressed", source === current || source.startsWith(`${current}:`));
      button.addEventListener("click", () => watch(source));
      return button;
    }),
  );
  if (focused) place.querySelector(`[data-source="${CSS.escape(focused)}"]`)?.focus();
}

byId("address").addEventListener("submit", (event) => {
  event.preventDefault();
  watch(byId("address-text").value.trim());
});
