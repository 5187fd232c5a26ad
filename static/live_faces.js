// The faces of the live picture: their panel, and over the picture the box of the one that is pointed at.
import { byId } from "./ask.js";
import { drawLitBox } from "./boxes.js";
import { FacePanel, LIVE } from "./face_panel.js";
import { Light } from "./lighting.js";
import * as picture from "./picture.js";

export class LiveFaces {
  latest = { faces: [], size: [1, 1] }; // the latest event

  // rest: see Faces.
  constructor(rest = null) {
    this.overlay = byId("lit");
    const point = (number) => this.light.set(number);
    this.panel = new FacePanel(byId("faces"), { ...LIVE, rest, point });
    this.light = new Light(this.panel, this.overlay.parentElement, () => this.latest, () => this.drawLit());
  }

  // now: an event.
  show(now) {
    this.latest = now;
    picture.shape(now.size);
    this.panel.show(now.faces, now.time);
    if (now.problem) this.panel.nobody.hidden = true; // what the picture shows is not from the source
    this.drawLit();
  }

  // Shows nothing that is no longer so.
  clear() {
    this.latest = { ...this.latest, faces: [] };
    this.panel.clear();
    this.light.set(null);
  }

  // The stream has a box on each face already; over it, this draws the one that is lit.
  drawLit() {
    const face = this.latest.faces.find((each) => each.face === this.light.face);
    if (this.overlay.hidden && !face) return;
    this.overlay.hidden = !face;
    [this.overlay.width, this.overlay.height] = this.latest.size;
    if (face) drawLitBox(this.overlay.getContext("2d"), face);
  }
}
