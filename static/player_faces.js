// The faces at a moment of a recording, and their boxes over the video.
import { drawBoxes } from "./boxes.js";

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

  // lit: the number of the face whose box stands out, or null.
  show(faces, lit) {
    const { canvas } = this.context;
    this.context.clearRect(0, 0, canvas.width, canvas.height);
    drawBoxes(this.context, faces, false, lit);
  }
}
