// Shows each face's probabilities as bars, in the face's colour, which is also that of its box.
const FACE_COLOURS = ["#be6900", "#1e50aa", "#147846", "#a01e8c", "#be3232", "#006e78"]; // as in expressions.py

const template = document.getElementById("face");

export const colourOf = (number) => FACE_COLOURS[(number - 1) % FACE_COLOURS.length];

export class Faces {
  constructor(place, nobody) {
    Object.assign(this, { place, nobody, cards: new Map() });
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
    this.cards.set(number, card);
    this.place.append(card);
    return card;
  }

  fill(card, face) {
    card.querySelector(".label").textContent = face.state === "turned away" ? "Turned away" : (face.label ?? "…");
    const values = Object.values(face.emotions ?? {});
    card.querySelectorAll("dd").forEach((row, index) => {
      const value = values[index] ?? 0;
      row.firstElementChild.value = value;
      row.lastElementChild.textContent = `${Math.round(100 * value)}%`;
    });
  }
}
