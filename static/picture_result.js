// Shows an analysed picture with its faces: a face's line lights its box, and the other way round.
import { byId, say } from "./ask.js";
import { drawBoxes } from "./boxes.js";
import { FacePanel } from "./face_panel.js";
import { Light } from "./lighting.js";

const LONGEST_SIDE = 1920; // pixels of a picture, as shown
const QUALITY = 0.92;
const UNKNOWN = "This browser can't show this kind of picture.";
const NO_MEMORY = "The picture is too large for this browser to save.";

// answer: the server's, { name, faces, size }
export async function showPicture(place, file, answer) {
  place.replaceChildren(byId("picture-result").content.cloneNode(true));
  place.hidden = false;
  let light = null; // while the picture is not drawn
  const panel = new FacePanel(place.querySelector("section"), { point: (number) => light?.set(number) });
  panel.show(answer.faces);
  const problem = place.querySelector(".warn");
  const stem = file.name.replace(/\.[^.]*$/, "") || "picture";
  place.querySelector(".save-json").addEventListener("click", () => {
    save(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }), `${stem}.json`);
  });
  place.querySelector(".save-picture").addEventListener("click", () => savePicture(file, stem, answer.faces, problem));
  const picture = await drawn(file, LONGEST_SIDE);
  if (picture) {
    light = lightTogether(place.querySelector("canvas"), picture, scaled(answer.faces, picture.scale), panel);
    return;
  }
  place.querySelector("figure").hidden = place.querySelector(".save-picture").hidden = true;
  say(problem, UNKNOWN);
}

// A canvas with the picture, whose scale says how many of its pixels are one of the picture's; null where this browser
// can't read the file, though the server could.
async function drawn(file, longestSide) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return null;
  const scale = Math.min(1, longestSide / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(scale * image.width);
  canvas.height = Math.round(scale * image.height);
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // behind what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
  return { canvas, scale };
}

const scaled = (faces, scale) => faces.map((face) => ({ ...face, box: face.box.map((value) => scale * value) }));

async function savePicture(file, stem, faces, problem) {
  say(problem, "");
  const type = file.type === "image/png" ? "image/png" : "image/jpeg";
  const picture = await drawn(file, Infinity);
  if (picture) drawBoxes(picture.canvas.getContext("2d"), faces);
  const blob = picture && (await new Promise((resolve) => picture.canvas.toBlob(resolve, type, QUALITY)));
  if (blob) save(blob, `${stem}_annotated.${type === "image/png" ? "png" : "jpg"}`);
  else say(problem, NO_MEMORY);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // browsers may ask where to save it first
}

function lightTogether(canvas, picture, faces, panel) {
  const context = canvas.getContext("2d");
  const size = [picture.canvas.width, picture.canvas.height];
  [canvas.width, canvas.height] = size;
  const light = new Light(panel, canvas, () => ({ faces, size }), draw);

  function draw() {
    context.drawImage(picture.canvas, 0, 0);
    drawBoxes(context, faces, false, light.face);
  }

  draw();
  return light;
}
