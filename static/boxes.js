// Draws boxes and labels over a picture in the page, in the same style as vision/draw.py on the live picture.
import { colourOf } from "./faces.js";

export function drawBoxes(context, faces, mirrored = false) {
  const { width } = context.canvas;
  const size = Math.max(14, width / 40);
  context.font = `${size}px system-ui, sans-serif`;
  context.lineWidth = Math.max(2, width / 320);
  context.textBaseline = "bottom";
  for (const { face, name, box, label, sure, emotions, angle } of faces) {
    const [x, y, w, h] = box;
    const left = mirrored ? width - x - w : x;
    context.strokeStyle = context.fillStyle = colourOf(face);
    context.save();
    context.translate(left + w / 2, y + h / 2);
    context.rotate(((mirrored ? -angle : angle) * Math.PI) / 180);
    context.strokeRect(-w / 2, -h / 2, w, h);
    context.restore();
    if (!label) continue;
    const text = `${name || face} ${sure ? `${label} ${Math.round(100 * emotions[label.toLowerCase()])}%` : "Unsure"}`;
    const top = Math.max(y, size * 1.3);
    const long = context.measureText(text).width + size / 2;
    const begin = Math.max(0, Math.min(left, width - long));
    context.fillRect(begin, top - size * 1.3, long, size * 1.3);
    context.fillStyle = "white";
    context.fillText(text, begin + size / 4, top - size * 0.1);
  }
}
