// A line for each face, sorted by number: its label, and a small bar of how probable that is. Pressing it opens the card.
// Lines are placed by transforms, so that nothing else is laid out anew when faces come and go.
import { put } from "./ask.js";
import { colourOf } from "./colours.js";
import { fillCard, makeCard, wordFor } from "./faces.js";
import { percent } from "./numbers.js";

const HEIGHT = 36; // pixels of a closed line, as in style.css
const template = document.getElementById("line");

export class Lines {
  // rest: see Faces. lasts: milliseconds for which the line of a face that has gone stays, in grey.
  constructor(place, rest, lasts) {
    Object.assign(this, { place, rest, lasts, lines: new Map(), height: 0 });
  }

  get size() {
    return this.lines.size;
  }

  show(faces) {
    const now = performance.now();
    for (const face of faces) this.fill(this.lines.get(face.face) ?? this.add(face.face), face, now);
    for (const [number, line] of this.lines) {
      if (line.seen !== now && now - line.seen >= this.lasts) this.remove(number);
      else line.item.classList.toggle("gone", line.seen !== now);
    }
    this.arrange();
  }

  clear() {
    for (const number of [...this.lines.keys()]) this.remove(number);
    this.arrange();
  }

  add(number) {
    const item = template.content.firstElementChild.cloneNode(true);
    const button = item.querySelector("button");
    const line = { item, button, card: null, face: null, seen: 0, top: null };
    item.dataset.face = number;
    item.style.setProperty("--face", colourOf(number));
    button.addEventListener("click", () => this.toggle(line));
    const later = Math.min(...[...this.lines.keys()].filter((each) => each > number));
    this.place.insertBefore(item, this.lines.get(later)?.item ?? null);
    this.lines.set(number, line);
    return line;
  }

  remove(number) {
    const { item } = this.lines.get(number);
    if (item.contains(document.activeElement)) this.place.focus();
    item.remove();
    this.lines.delete(number);
  }

  fill(line, face, now) {
    Object.assign(line, { face, seen: now });
    const isSure = face.state === "frontal" && face.sure !== false && face.label;
    const share = isSure ? face.emotions[face.label.toLowerCase()] : 0;
    const [number, label, bar, value] = line.button.children;
    put(number, face.name || face.face);
    put(label, wordFor(face));
    put(value, isSure ? percent(share) : "");
    if (bar.dataset.emotion !== (face.label ?? "")) bar.dataset.emotion = face.label ?? "";
    bar.firstElementChild.style.transform = `scaleX(${share.toFixed(2)})`;
    if (line.card) fillCard(line.card, face);
  }

  toggle(line) {
    line.card?.remove();
    line.card = line.card ? null : makeCard(line.face.face, this.rest);
    line.button.setAttribute("aria-expanded", line.card !== null);
    if (line.card) {
      fillCard(line.card, line.face);
      line.item.append(line.card);
    }
    this.arrange();
  }

  arrange() {
    let top = 0;
    for (const item of this.place.children) {
      const line = this.lines.get(Number(item.dataset.face));
      if (line.top !== top) item.style.transform = `translateY(${top}px)`;
      line.top = top;
      top += line.card ? item.offsetHeight : HEIGHT;
    }
    if (this.height !== top) this.place.style.height = `${top}px`;
    this.height = top;
  }
}
