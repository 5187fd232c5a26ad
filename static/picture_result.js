// Shows an analysed picture with its faces: a face's line lights its box, and the other way round.
import { byId, say } from "./ask.js";
import { drawBoxes } from "./boxes.js";
import { Faces } from "./faces.js";

const LONGEST_SIDE = 1920; // pixels of a picture, as shown
const QUALITY = 0.92;
const UNKNOWN = "This browser can't show this kind of picture.";
const NO_MEMORY = "The picture is too large for this browser to save.";

// answer: the server's, { name, faces, size }
export async function showPicture(place, file, answer) {
  place.replaceChildren(byId("picture-result").content.cloneNode(true));
  place.hidden = false;
  const faces = new Faces(place.querySelector(".faces"), place.querySelector(".nobody"));
  faces.show(answer.faces);
  const problem = place.querySelector(".warn");
  const stem = file.name.replace(/\.[^.]*$/, "") || "picture";
  place.querySelector(".save-json").addEventListener("click", () => {
    save(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }), `${stem}.json`);
  });
  place.querySelector(".save-picture").addEventListener("click", () => savePicture(file, stem, answer.faces, problem));
  const picture = await drawn(file, LONGEST_SIDE);
  if (picture) return lightTogether(place.querySelector("canvas"), picture, scaled(answer.faces, picture.scale), faces.cards);
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

// cards: the faces' lines, by the faces' numbers.
function lightTogether(canvas, picture, faces, cards) {
  const context = canvas.getContext("2d");
  let lit = null; // the number of a face
  [canvas.width, canvas.height] = [picture.canvas.width, picture.canvas.height];

  function draw() {
    context.drawImage(picture.canvas, 0, 0);
    drawBoxes(context, faces, false, lit);
  }

  // number: null for the face whose line has the focus, if any.
  function light(number) {
    const next = number ?? [...cards.keys()].find((each) => cards.get(each) === document.activeElement) ?? null;
    if (next === lit) return;
    lit = next;
    for (const [each, card] of cards) card.classList.toggle("lit", each === lit);
    draw();
  }

  for (const [number, card] of cards) {
    card.tabIndex = 0;
    card.setAttribute("aria-label", `Face ${card.querySelector("h3").textContent}`);
    for (const event of ["pointerenter", "focus"]) card.addEventListener(event, () => light(number));
    for (const event of ["pointerleave", "blur"]) card.addEventListener(event, () => light(null));
  }
  for (const event of ["pointermove", "pointerdown"]) {
    canvas.addEventListener(event, (at) => light(faceAt(faces, canvas, at)));
  }
  canvas.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") light(null); // what was touched stays lit
  });
  canvas.addEventListener("click", () => cards.get(lit)?.scrollIntoView({ block: "nearest" }));
  draw();
}

// The number of the smallest face at a pointer, or null.
function faceAt(faces, canvas, { offsetX, offsetY }) {
  // The picture may be smaller than its element, and is then in its middle.
  const zoom = Math.min(canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height);
  const x = (offsetX - (canvas.clientWidth - zoom * canvas.width) / 2) / zoom;
  const y = (offsetY - (canvas.clientHeight - zoom * canvas.height) / 2) / zoom;
  const hit = faces.filter((face) => isIn(face, x, y));
  hit.sort((one, other) => one.box[2] * one.box[3] - other.box[2] * other.box[3]);
  return hit[0]?.face ?? null;
}

function isIn({ box: [left, top, width, height], angle }, x, y) {
  const [across, down] = [x - left - width / 2, y - top - height / 2];
  const [cosine, sine] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return Math.abs(across * cosine + down * sine) <= width / 2 && Math.abs(down * cosine - across * sine) <= height / 2;
}
