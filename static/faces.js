// A card for each face: its probabilities as bars, in the face's colour, which is also that of its box.
import { complain, put, say } from "./ask.js";
import { colourOf } from "./colours.js";
import { percent } from "./numbers.js";

const ADAPTED = { seen: "Adapted to this face", resting: "Adapted to this resting face" };
const LOOKING = 2500; // milliseconds for which a resting face is looked at, and a little more
const REST = "This is my resting face";
const KEEP_STILL = "Keep your face at rest …";

const template = document.getElementById("face");

// What a face shows, in a word.
export function wordFor({ state, sure, label }) {
  if (state === "turned away") return "Turned away";
  return sure === false ? "Unsure" : (label ?? "…");
}

export class Faces {
  // rest: asks the server to take a face, by its number, for a resting face; null where that is not possible.
  constructor(place, rest = null) {
    Object.assign(this, { place, rest, cards: new Map() });
  }

  show(faces) {
    const present = new Set(faces.map((face) => face.face));
    for (const [number, card] of this.cards) {
      if (!present.has(number)) {
        card.remove();
        this.cards.delete(number);
      }
    }
    for (const face of faces) fillCard(this.cards.get(face.face) ?? this.add(face.face), face);
  }

  add(number) {
    const card = makeCard(number, this.rest);
    card.tabIndex = 0; // so that it can be lit from the keyboard
    card.setAttribute("aria-label", `Face ${number}`);
    this.cards.set(number, card);
    this.place.append(card);
    return card;
  }
}

// rest: see Faces.
export function makeCard(number, rest) {
  const card = template.content.firstElementChild.cloneNode(true);
  card.dataset.face = number;
  card.style.setProperty("--face", colourOf(number));
  const button = card.querySelector(".rest");
  if (rest) button.addEventListener("click", () => takeForResting(card, () => rest(number)));
  else card.querySelector(".adapting").remove();
  return card;
}

async function takeForResting(card, rest) {
  const button = card.querySelector(".rest");
  const problem = card.querySelector(".warn");
  button.disabled = true;
  say(problem, "");
  try {
    await rest();
    button.textContent = KEEP_STILL;
    await new Promise((resolve) => setTimeout(resolve, LOOKING));
  } catch (error) {
    complain(problem, error);
  }
  button.textContent = REST;
  button.disabled = false;
}

export function fillCard(card, face) {
  put(card.querySelector(".number"), face.name || face.face);
  put(card.querySelector(".label"), wordFor(face));
  const adapted = card.querySelector(".adapted");
  if (adapted) put(adapted, ADAPTED[face.adapted] ?? "");
  const values = Object.values(face.emotions ?? {});
  card.querySelectorAll("dd").forEach((row, index) => {
    const value = values[index] ?? 0;
    row.firstElementChild.value = value;
    put(row.lastElementChild, percent(value));
  });
}
