// The faces at a moment of a recording: as boxes over the video, and as bars beside it.
import { drawBoxes } from "./boxes.js";
import { Faces } from "./faces.js";

// The faces at a time, as the live view has them. expressions: their names, in order.
export function facesAt(recording, edits, expressions, time) {
  return recording.rowsAt(time).map((row) => {
    const face = recording.person[row];
    const probabilities = recording.probabilities(row);
    const named = expressions.map((name, index) => [name.toLowerCase(), probabilities?.[index]]);
    return {
      face,
      name: edits.names[face],
      box: recording.box.subarray(4 * row, 4 * row + 4),
      angle: recording.angle[row],
      label: expressions[recording.label[row]] ?? null,
      sure: recording.sure[row] === 1,
      state: recording.away[row] ? "turned away" : "frontal",
      emotions: probabilities && Object.fromEntries(named),
    };
  });
}

export class Boxes {
  constructor(canvas, [width, height]) {
    Object.assign(canvas, { width, height });
    this.context = canvas.getContext("2d");
  }

  show(faces) {
    const { canvas } = this.context;
    this.context.clearRect(0, 0, canvas.width, canvas.height);
    drawBoxes(this.context, faces);
  }
}

// Bars with the name of whoever has one, the chosen person's first.
export class Bars extends Faces {
  chosen = null;

  fill(card, face) {
    super.fill(card, face);
    const number = card.querySelector(".number");
    const name = face.name || String(face.face);
    if (number.textContent !== name) number.textContent = name;
    card.classList.toggle("chosen", face.face === this.chosen);
  }
}
