// A strip of labels over time for each person: a coloured bar per label, pale where it is unsure, thin where the head
// is turned away.
import { colourOf } from "./colours.js";
import { NOBODY, TURNED_AWAY, UNSURE } from "./player_data.js";

const ROW = 22; // pixels
const PALE = 0.3; // opacity

export class Strips {
  // expressions: their names and colours, in order. sides: pixels left and right of the strips.
  constructor(canvas, recording, expressions, sides) {
    Object.assign(this, { canvas, recording, expressions, sides, people: [], names: [] });
  }

  show(people, names) {
    Object.assign(this, { people, names });
    this.draw();
  }

  // The person in whose row a point lies, by its pixels below the upper edge.
  personAt(top) {
    return this.people[Math.floor(top / ROW)];
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = ROW * this.people.length;
    this.canvas.style.height = `${height}px`;
    if (!width) return; // hidden
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const columns = Math.max(1, width - this.sides.left - this.sides.right);
    this.people.forEach((person, row) => {
      this.drawName(context, person.number, this.names[row], ROW * row);
      for (const run of runsOf(this.recording.strip(person, columns))) this.drawRun(context, run, ROW * row);
    });
  }

  drawName(context, number, name, top) {
    context.fillStyle = colourOf(number);
    context.fillRect(0, top + 5, 4, ROW - 10);
    context.fillStyle = getComputedStyle(this.canvas).color;
    context.fillText(shortened(context, name, this.sides.left - 14), 8, top + ROW / 2);
  }

  drawRun(context, { kind, label, begin, end }, top) {
    const left = this.sides.left + begin;
    const width = end - begin;
    if (kind === TURNED_AWAY) {
      context.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--quiet");
      context.fillRect(left, top + ROW / 2 - 1, width, 2);
      return;
    }
    const [name, colour] = this.expressions[label];
    context.fillStyle = context.strokeStyle = colour;
    if (kind === UNSURE) return drawPale(context, left, top + 2, width, ROW - 4);
    context.fillRect(left, top + 2, width, ROW - 4);
    if (context.measureText(name).width + 8 > width) return;
    context.fillStyle = "white";
    context.fillText(name, left + 4, top + ROW / 2);
  }
}

// A bar for what is unsure: pale, with edges that can be seen. In the context's colours.
export function drawPale(context, left, top, width, height) {
  context.globalAlpha = PALE;
  context.fillRect(left, top, width, height);
  context.globalAlpha = 1;
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, top + 0.5, Math.max(1, width - 1), height - 1);
}

function runsOf(columns) {
  const runs = [];
  columns.forEach(({ kind, label }, column) => {
    if (kind === NOBODY) return;
    const latest = runs.at(-1);
    if (latest && latest.end === column && latest.kind === kind && latest.label === label) latest.end++;
    else runs.push({ kind, label, begin: column, end: column + 1 });
  });
  return runs;
}

function shortened(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end && context.measureText(`${text.slice(0, end)}…`).width > room) end--;
  return `${text.slice(0, end)}…`;
}
