// Shows each face's probabilities as bars, in the face's colour, which is also that of its box.
import { complain, say } from "./ask.js";

const FACE_COLOURS = ["#be6900", "#1e50aa", "#147846", "#a01e8c", "#be3232", "#006e78"]; // as in expressions.py

const ADAPTED = { seen: "Adapted to this face", resting: "Adapted to this resting face" };
const LOOKING = 2500; // milliseconds for which a resting face is looked at, and a little more
const REST = "This is my resting face";
const KEEP_STILL = "Keep your face at rest …";

const template = document.getElementById("face");

export const colourOf = (number) => FACE_COLOURS[(number - 1) % FACE_COLOURS.length];

export class Faces {
  // rest: asks the server to take a face, by its number, for a resting face; null where that is not possible.
  constructor(place, nobody, rest = null) {
    Object.assign(this, { place, nobody, rest, cards: new Map() });
  }

  show(faces) {
    const present = new Set(faces.map((face) => face.face));
    for (const [number, card] of this.cards) {
      if (!present.has(number)) {
        card.remove();
        this.cards.delete(number);
      }
    }
    for (const face of faces) this.fill(this.cards.get(face.face) ?? this.add(face.face), face);
    this.nobody.hidden = faces.length > 0;
  }

  // Shows no faces, and does not say that there are none either.
  clear() {
    this.show([]);
    this.nobody.hidden = true;
  }

  add(number) {
    const card = template.content.firstElementChild.cloneNode(true);
    card.style.setProperty("--face", colourOf(number));
    card.querySelector(".number").textContent = number;
    const button = card.querySelector(".rest");
    if (this.rest) button.addEventListener("click", () => this.takeForResting(card, number));
    else card.querySelector(".adapting").remove();
    this.cards.set(number, card);
    this.place.append(card);
    return card;
  }

  async takeForResting(card, number) {
    const button = card.querySelector(".rest");
    const problem = card.querySelector(".warn");
    button.disabled = true;
    say(problem, "");
    try {
      await this.rest(number);
      button.textContent = KEEP_STILL;
      await new Promise((resolve) => setTimeout(resolve, LOOKING));
    } catch (error) {
      complain(problem, error);
    }
    button.textContent = REST;
    button.disabled = false;
  }

  fill(card, face) {
    const label = face.sure === false ? "Unsure" : (face.label ?? "…");
    card.querySelector(".label").textContent = face.state === "turned away" ? "Turned away" : label;
    const adapted = card.querySelector(".adapted");
    if (adapted) adapted.textContent = ADAPTED[face.adapted] ?? "";
    const values = Object.values(face.emotions ?? {});
    card.querySelectorAll("dd").forEach((row, index) => {
      const value = values[index] ?? 0;
      row.firstElementChild.value = value;
      row.lastElementChild.textContent = `${Math.round(100 * value)}%`;
    });
  }
}
