// Lights a face together with its box: pointing at one lights the other too.

export class Light {
  face = null; // the number of the face that is lit

  // panel: a FacePanel. surface: the element that shows the picture, as large as it fits, in its middle.
  // shown(): { faces, size }, the faces in pixels of a picture of that size. draw: is called when another face is lit.
  constructor(panel, surface, shown, draw = () => {}) {
    Object.assign(this, { panel, surface, shown, draw });
    for (const event of ["pointermove", "pointerdown"]) {
      surface.addEventListener(event, (at) => this.set(this.faceAt(at)));
    }
    surface.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType !== "touch") this.set(null); // what was touched stays lit
    });
    surface.addEventListener("click", () => this.face !== null && panel.reveal(this.face));
  }

  set(number) {
    if (number === this.face) return;
    this.face = number;
    this.panel.light(number);
    this.draw();
  }

  // The number of the smallest face at a pointer, or null.
  faceAt({ clientX, clientY }) {
    const { faces, size } = this.shown();
    const place = this.surface.getBoundingClientRect();
    const zoom = Math.min(place.width / size[0], place.height / size[1]);
    const x = (clientX - place.left - (place.width - zoom * size[0]) / 2) / zoom;
    const y = (clientY - place.top - (place.height - zoom * size[1]) / 2) / zoom;
    const hit = faces.filter((face) => isIn(face, x, y));
    hit.sort((one, other) => one.box[2] * one.box[3] - other.box[2] * other.box[3]);
    return hit[0]?.face ?? null;
  }
}

function isIn({ box: [left, top, width, height], angle }, x, y) {
  const [across, down] = [x - left - width / 2, y - top - height / 2];
  const [cosine, sine] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return Math.abs(across * cosine + down * sine) <= width / 2 && Math.abs(down * cosine - across * sine) <= height / 2;
}
