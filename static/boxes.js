// Draws boxes and labels over a picture in the page, in the same style as vision/draw.py on the live picture.
import { colourOf } from "./colours.js";
import { placeLabels } from "./labels.js";
import { percent } from "./numbers.js";

const SIZES = [1, 0.8, 0.6]; // of the text, tried one after another until all labels have a place
const FONT = "system-ui, sans-serif";

// lit: the number of the face whose box stands out, or null.
export function drawBoxes(context, faces, mirrored = false, lit = null) {
  const { width } = context.canvas;
  const shown = faces.map((face) => ({ ...face, ...turned(face, width, mirrored), colour: colourOf(face.face) }));
  const line = Math.max(2, width / 320);
  for (const each of shown) {
    if (each.face !== lit) drawOutline(context, each, line, each.colour);
  }
  for (const each of shown.filter(({ face }) => face === lit)) drawLit(context, each, line);
  drawLabels(context, shown.filter(({ label }) => label));
}

// The box of a face that is lit, over a picture in which it has one already.
export function drawLitBox(context, face) {
  const { width } = context.canvas;
  drawLit(context, { ...turned(face, width, false), colour: colourOf(face.face) }, Math.max(2, width / 320));
}

// The face in a picture that is mirrored, width pixels wide.
export function mirroredFace(face, width) {
  const { x, y, w, h, angle } = turned(face, width, true);
  return { ...face, box: [x, y, w, h], angle };
}

// A face's box and angle as they are shown.
function turned({ box: [x, y, w, h], angle }, width, mirrored) {
  return { x: mirrored ? width - x - w : x, y, w, h, angle: mirrored ? -angle : angle };
}

function drawLit(context, face, line) {
  drawOutline(context, face, 3 * line, "white");
  drawOutline(context, face, 1.5 * line, face.colour);
}

function drawOutline(context, { x, y, w, h, angle }, line, colour) {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.translate(x + w / 2, y + h / 2);
  context.rotate((angle * Math.PI) / 180);
  context.strokeRect(-w / 2, -h / 2, w, h);
  context.restore();
}

function drawLabels(context, faces) {
  if (!faces.length) return;
  const { width, height } = context.canvas;
  const texts = faces.map(({ face, name, label, sure, emotions }) =>
    `${name || face} ${sure ? `${label} ${percent(emotions[label.toLowerCase()])}` : "Unsure"}`);
  let size;
  let places;
  for (const share of SIZES) {
    size = share * Math.max(14, width / 40);
    context.font = `${size}px ${FONT}`;
    const widest = Math.max(...texts.map((text) => context.measureText(text).width + size / 2));
    size *= Math.min(1, (0.99 * width) / widest); // in a picture that is narrower than the text
    context.font = `${size}px ${FONT}`;
    places = placeLabels(faces.map((face, index) => ({ box: around(face), label: measure(context, texts[index], size) })),
      width, height);
    if (!places.includes(null)) break;
  }
  context.textBaseline = "bottom";
  for (const [index, place] of places.entries()) {
    if (!place) continue;
    context.fillStyle = faces[index].colour;
    context.fillRect(place.left, place.top, place.width, place.height);
    context.fillStyle = "white";
    context.fillText(texts[index], place.left + size / 4, place.top + 1.2 * size, place.width - size / 2);
  }
}

const measure = (context, text, size) => ({ width: context.measureText(text).width + size / 2, height: 1.3 * size });

// The upright box around a box that may be tilted.
function around({ x, y, w, h, angle }) {
  const [cosine, sine] = [Math.cos, Math.sin].map((turn) => Math.abs(turn((angle * Math.PI) / 180)));
  const width = w * cosine + h * sine;
  const height = w * sine + h * cosine;
  return { left: x + (w - width) / 2, top: y + (h - height) / 2, width, height };
}
