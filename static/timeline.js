// Draws the labels of each face over time: a row per face, a coloured bar per label, pale where it is unsure.
import { put } from "./ask.js";
import { expressionColours } from "./colours.js";
import { drawPale } from "./strips.js";

const ROW = 22; // pixels
const LEFT = 24; // pixels left of the bars, for the faces' numbers
const MARKERS = 18; // pixels above the bars, for the markers' names
const DRAW_EVERY = 500; // milliseconds
const GAP = 0.5; // seconds; a face missing for longer leaves a gap in its row
const SHORTEST = 0.5; // seconds for which a label was there, to be told in words

export class Timeline {
  // canvas: in an element that scrolls, since there may be many rows. words: the element for the same in words. span:
  // how many seconds are shown, up to the latest.
  constructor(canvas, words, span) {
    Object.assign(this, { canvas, words, span, seen: new Map(), end: 0, drawn: 0, markers: [] });
    this.colours = expressionColours();
    this.sizer = canvas.parentElement; // as high as all rows
    this.window = this.sizer.parentElement;
    this.window.addEventListener("scroll", () => this.draw());
  }

  clear() {
    this.seen.clear();
    this.draw();
  }

  // Add the faces of one live frame; time: its time in seconds. What is older than the span is dropped.
  add(time, faces) {
    this.end = time;
    this.markers = this.markers.filter((marker) => marker.time > time - this.span);
    for (const { face, label, sure } of faces) if (label) this.note(time, face, label, sure);
    for (const [face, runs] of this.seen) {
      while (runs.length && runs[0].end < time - this.span) runs.shift();
      if (!runs.length) this.seen.delete(face);
    }
    if (Date.now() - this.drawn > DRAW_EVERY) {
      this.draw();
      this.tell();
    }
  }

  note(time, face, label, sure) {
    const runs = this.seen.get(face) ?? this.seen.set(face, []).get(face);
    const latest = runs.at(-1);
    const goesOn = latest && time - latest.end < GAP;
    if (goesOn && latest.label === label && latest.sure === sure) latest.end = time;
    else runs.push({ label, sure, begin: goesOn ? latest.end : time, end: time });
  }

  get rows() {
    return [...this.seen].sort(([one], [other]) => one - other);
  }

  draw() {
    this.drawn = Date.now();
    const { rows, canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const needed = `${MARKERS + ROW * rows.length}px`;
    if (this.sizer.style.height !== needed) this.sizer.style.height = needed;
    [this.width, this.height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [this.width * scale, this.height * scale];
    const context = canvas.getContext("2d");
    this.ink = getComputedStyle(canvas).color;
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    rows.forEach((row, index) => {
      const top = MARKERS + ROW * index - this.window.scrollTop;
      if (top > -ROW && top < this.height) this.drawRow(context, row, top);
    });
    for (const marker of this.markers) this.drawMarker(context, marker);
  }

  drawRow(context, [face, runs], top) {
    context.fillStyle = this.ink;
    context.fillText(face, 2, top + ROW / 2);
    for (const { label, sure, begin, end } of runs) {
      const left = Math.max(LEFT, this.place(begin));
      const width = Math.max(2, this.place(end) - left);
      context.fillStyle = context.strokeStyle = this.colours.get(label);
      if (!sure) {
        drawPale(context, left, top + 2, width, ROW - 4);
        continue;
      }
      context.fillRect(left, top + 2, width, ROW - 4);
      if (context.measureText(label).width + 8 > width) continue;
      context.fillStyle = "white";
      context.fillText(label, left + 4, top + ROW / 2);
    }
  }

  drawMarker(context, { time, name }) {
    const left = this.place(time);
    if (left < LEFT) return;
    context.fillStyle = this.ink;
    context.fillRect(left - 1, 0, 2, this.height);
    const room = this.width - left - 4;
    const wide = context.measureText(name).width;
    context.fillText(name, wide > room ? left - 4 - wide : left + 4, MARKERS / 2);
  }

  place(time) {
    return LEFT + ((time - this.end + this.span) / this.span) * (this.width - LEFT);
  }

  tell() {
    const sentences = this.rows.map(([face, runs]) => {
      const seconds = new Map();
      for (const { label, sure, begin, end } of runs) {
        const word = sure ? label : "unsure";
        seconds.set(word, (seconds.get(word) ?? 0) + end - begin);
      }
      const told = [...seconds].filter(([, each]) => each >= SHORTEST).sort((one, other) => other[1] - one[1]);
      return told.length ? `Face ${face}: ${told.map(([label, each]) => `${label} ${each.toFixed(0)} s`).join(", ")}.` : "";
    });
    const noted = this.markers.map(({ name }) => name).join(", ");
    put(this.words, [noted && `Markers: ${noted}.`, ...sentences].filter(Boolean).join(" "));
  }
}
