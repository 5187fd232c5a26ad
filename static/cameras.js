// The cameras that this browser may use, and which of them is wanted.

export class Cameras {
  chosen = null; // the ID of the device that was chosen, or null

  // select: the element to choose with. change: is called after another was chosen.
  constructor(select, change) {
    Object.assign(this, { select, place: select.parentElement });
    select.addEventListener("change", () => {
      this.chosen = select.value;
      change();
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => this.current && this.show(this.current));
  }

  // What to ask of getUserMedia.
  get wanted() {
    return this.chosen ? { deviceId: { exact: this.chosen } } : { facingMode: "user" };
  }

  // Browsers tell the cameras' names only once one is in use. camera: the MediaStream of that.
  async show(camera) {
    this.current = camera;
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (this.current !== camera) return;
    const cameras = devices.filter(({ kind }) => kind === "videoinput");
    const { deviceId } = camera.getVideoTracks()[0].getSettings();
    const options = cameras.map((each, index) => {
      const name = each.label || `Camera ${index + 1}`;
      return new Option(name, each.deviceId, false, each.deviceId === deviceId);
    });
    this.select.replaceChildren(...options);
    this.place.hidden = options.length < 2;
  }

  forget() {
    this.chosen = null;
  }

  hide() {
    this.current = null;
    this.place.hidden = true;
  }
}
