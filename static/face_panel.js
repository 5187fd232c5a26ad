// The faces beside a picture: a card for each, or where there are more than three, a line for each, and above them what
// they show together. What is pointed at is told, so that its box can be lit.
import { Faces } from "./faces.js";
import { Lines } from "./lines.js";
import { Together } from "./together.js";

export const LIVE = { lasts: 3000, span: 120 }; // of live panels; see the constructor
const MOST_CARDS = 3;

export class FacePanel {
  lit = null; // the number of a face

  // rest: see Faces. lasts: milliseconds for which a face that has gone keeps its line. span: see Together. point: is
  // called with the number of the face that is pointed at or has the focus, or null.
  constructor(place, { rest = null, lasts = 0, span = 0, point = () => {} } = {}) {
    const find = (name) => place.querySelector(name);
    Object.assign(this, { place, cards: new Faces(find(".cards"), rest), lines: new Lines(find(".lines"), rest, lasts) });
    this.together = new Together(find(".together"), span);
    this.crowd = find(".crowd");
    this.nobody = find(".nobody");
    const tell = ({ target }) => point(numberAt(target));
    for (const event of ["pointerover", "focusin"]) place.addEventListener(event, tell);
    place.addEventListener("focusout", () => point(null));
    place.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") point(null); // what was touched stays lit
    });
  }

  // time: of the picture, in seconds. chosen: the number of a face that stands out, or null.
  show(faces, time = 0, chosen = null) {
    if (faces.length > MOST_CARDS || this.lines.size) this.lines.show(faces);
    const isCrowd = this.lines.size > MOST_CARDS; // with the lines of those who have just gone
    this.crowd.hidden = !isCrowd;
    if (!isCrowd) this.lines.clear();
    this.cards.show(isCrowd ? [] : faces);
    this.together.show(faces, time, isCrowd);
    this.nobody.hidden = isCrowd || faces.length > 0;
    this.mark("chosen", chosen);
    this.mark("lit", this.lit);
  }

  // Shows no faces, and does not say that there are none either.
  clear() {
    this.cards.show([]);
    this.lines.clear();
    this.together.clear();
    this.crowd.hidden = this.nobody.hidden = true;
  }

  light(number) {
    this.lit = number;
    this.mark("lit", number);
  }

  reveal(number) {
    this.elementOf(number)?.scrollIntoView({ block: "nearest" });
  }

  mark(name, number) {
    const element = number === null ? null : this.elementOf(number);
    for (const each of this.place.querySelectorAll(`.${name}`)) if (each !== element) each.classList.remove(name);
    element?.classList.add(name);
  }

  elementOf(number) {
    return this.place.querySelector(`:is(.cards, .lines) > [data-face="${number}"]`);
  }
}

function numberAt(element) {
  const found = element.closest("[data-face]");
  return found ? Number(found.dataset.face) : null;
}
