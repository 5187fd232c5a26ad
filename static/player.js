// Plays a finished recording or an uploaded video: the picture with its faces, their curves and labels over time,
// and what people change.
import { ask, say } from "./ask.js";
import { timeText } from "./clock.js";
import { Curves } from "./curves.js";
import { Downloads } from "./downloads.js";
import { FacePanel } from "./face_panel.js";
import { offerFullScreen } from "./full_screen.js";
import { Light } from "./lighting.js";
import { Markers } from "./markers.js";
import { People } from "./people.js";
import { OwnClock, VideoClock } from "./player_clock.js";
import { Recording } from "./player_data.js";
import { Edits } from "./player_edits.js";
import { Boxes, facesAt } from "./player_faces.js";
import { listenToKeys } from "./player_keys.js";
import { Strips } from "./strips.js";
import { TimeAxis } from "./time_axis.js";

const STEP = 1; // seconds
const FRAMES = 10; // of a large step
const BARS_EVERY = 100; // milliseconds; more often, nobody could read them
const WITHOUT_VIDEO = "This recording has no video.";
const UNPLAYABLE = "This browser can't play the video. Curves, labels and downloads are all here.";
const template = document.getElementById("video-result");

// Shows a player in a place. address: of the recording, such as videos/ID. again: for uploads, is called when the video
// is to be analysed again, and has to wait for that.
export async function showVideo(place, address, again = null) {
  const [buffer, edits] = await Promise.all([askForFaces(`${address}/faces.bin`), ask(`${address}/edits`)]);
  place.replaceChildren(template.content.cloneNode(true));
  new Player(place.querySelector(".player"), address, new Recording(buffer), edits, again);
}

async function askForFaces(address) {
  const response = await fetch(address).catch(() => null);
  if (!response) throw new Error("The server is not responding.");
  if (!response.ok) throw new Error("The faces of this recording can't be read.");
  return response.arrayBuffer();
}

class Player {
  constructor(place, address, recording, content, again) {
    Object.assign(this, { place, address, recording, pointed: null, closing: new AbortController() });
    const { signal } = this.closing;
    this.find = (name) => place.querySelector(name);
    const legend = [...place.querySelectorAll(".readout [data-emotion]")];
    this.expressions = legend.map((item) => item.dataset.emotion);
    this.values = legend.map((item) => item.querySelector(".value"));
    const colours = legend.map((item) => getComputedStyle(item).getPropertyValue("--emotion"));
    const changed = (names) => this.change(names);
    this.edits = new Edits(`${address}/edits`, content, this.find(".unsaved"), signal, changed);
    recording.apply(this.edits);
    this.panel = new FacePanel(this.find(".now"), { point: (number) => this.light.set(number) });
    const shown = () => ({ faces: this.facesAt(this.shownTime ?? 0), size: recording.size });
    this.light = new Light(this.panel, this.find(".overlaid"), shown, () => this.showBoxes());
    this.setUpClock();
    this.setUpAxis(colours);
    this.people = new People(place, recording, this.edits, this.expressions, {
      choose: () => this.showCurves(),
      showMore: () => this.showStrips(),
    });
    this.markers = new Markers(place, this.edits, this.axis, {
      goTo: (time) => this.clock.goTo(time),
      now: () => this.clock.time,
    });
    this.setUpControls();
    if (again) this.setUpRest(again);
    new Downloads(this.find(".downloads"), address, this.edits);
    this.showPeople();
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.resize(), { signal });
  }

  setUpClock() {
    const { recording } = this;
    const video = this.find("video");
    if (!recording.size) return this.goWithoutVideo(WITHOUT_VIDEO);
    this.find(".overlaid").style.setProperty("--ratio", recording.size[0] / recording.size[1]);
    this.boxes = new Boxes(this.find(".boxes"), recording.size);
    this.clock = new VideoClock(recording, video, () => this.move(), (time) => this.showBoxes(time));
    video.addEventListener("error", () => this.goWithoutVideo(UNPLAYABLE));
    video.addEventListener("click", () => this.clock.toggle());
    video.src = `${this.address}/video.mp4`;
  }

  goWithoutVideo(sentence) {
    const time = this.clock?.time ?? 0;
    this.clock = new OwnClock(this.recording, () => this.move());
    this.clock.rate = Number(this.find(".speed").value);
    this.clock.goTo(time);
    this.boxes = null;
    say(this.find(".no-video"), sentence);
    for (const part of this.place.querySelectorAll(".of-video")) part.hidden = true;
  }

  setUpAxis(colours) {
    const { recording, find } = this;
    const strips = find(".strips");
    const does = {
      goTo: (time) => this.clock.goTo(time),
      hold: (isHeld) => this.hold(isHeld),
      point: (time) => this.point(time),
      leaveOut: (begin, end) => this.markers.leaveOut(begin, end),
      choose: ({ clientY }) => {
        const person = this.strips.personAt(clientY - strips.getBoundingClientRect().top);
        if (person) this.people.pick(person.number);
      },
    };
    this.axis = new TimeAxis(find(".axis"), recording.seconds, does);
    this.curves = new Curves(find(".curves"), recording, colours, this.axis.sides);
    const named = this.expressions.map((name, index) => [name, colours[index]]);
    this.strips = new Strips(strips, recording, named, this.axis.sides);
  }

  setUpControls() {
    const { find } = this;
    const on = (name, event, act) => find(name).addEventListener(event, act);
    const keys = find(".keys");
    on(".play", "click", () => this.clock.toggle());
    on(".back", "click", () => this.clock.step(-1));
    on(".forward", "click", () => this.clock.step(1));
    on(".speed", "change", ({ target }) => (this.clock.rate = Number(target.value)));
    on(".with-boxes", "change", () => this.showBoxes());
    on(".sound", "change", ({ target }) => (find("video").muted = !target.checked));
    offerFullScreen(find(".full"), find("figure"));
    on(".show-keys", "click", () => keys.showModal());
    listenToKeys(this.place, {
      " ": () => this.clock.toggle(),
      ",": () => this.clock.step(-1),
      ".": () => this.clock.step(1),
      "Shift ArrowLeft": () => this.clock.step(-FRAMES),
      "Shift ArrowRight": () => this.clock.step(FRAMES),
      ArrowLeft: () => this.clock.goTo(this.clock.time - STEP),
      ArrowRight: () => this.clock.goTo(this.clock.time + STEP),
      Home: () => this.clock.goTo(0),
      End: () => this.clock.goTo(this.recording.seconds),
      m: () => this.markers.open(),
      "?": () => keys.showModal(),
    });
  }

  // A face at rest is the one in the picture, which may have been merged into another.
  setUpRest(again) {
    const { find, recording } = this;
    const problem = find(".rest-problem");
    find(".resting").hidden = !recording.kept.length;
    find(".rest").addEventListener("click", async () => {
      const face = Number(find(".rest-of").value);
      const row = recording.rowsAt(this.clock.time).find((each) => recording.person[each] === face);
      say(problem, "");
      try {
        await ask(`${this.address}/rest`, "POST", { face: recording.face[row] ?? face, seconds: this.clock.time });
        again();
      } catch (error) {
        say(problem, error.message);
      }
    });
  }

  // While somebody drags, the recording stands still; afterwards it plays on if it did before.
  hold(isHeld) {
    if (isHeld) this.playsOn = this.clock.isPlaying;
    if (isHeld) this.clock.pause();
    else if (this.playsOn) this.clock.play();
  }

  change(changed) {
    if (changed.includes("merged") || changed.includes("left_out")) this.recording.apply(this.edits);
    if (changed.includes("markers") || changed.includes("excluded")) this.markers.show();
    else this.showPeople();
    this.move();
    this.showBoxes();
  }

  showPeople() {
    this.people.show();
    this.showStrips();
    this.showCurves();
    const options = this.recording.kept.map(({ number }) => new Option(this.edits.nameOf(number), number));
    this.find(".rest-of").replaceChildren(...options);
  }

  showStrips() {
    const shown = this.people.listed.filter((person) => !person.isLeftOut);
    this.strips.show(shown, shown.map(({ number }) => this.edits.nameOf(number)));
  }

  showCurves() {
    this.curves.show(this.people.person());
    this.move();
  }

  resize() {
    if (!this.place.isConnected) this.closing.abort();
    if (!this.place.clientWidth) return this.clock.pause(); // hidden or removed
    this.axis.resize();
    this.curves.draw();
    this.strips.draw();
    this.move();
  }

  // Shows the time, once for each frame of the screen.
  move() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.showTime();
    });
  }

  showTime() {
    const { time, isPlaying } = this.clock;
    const { find, recording } = this;
    this.axis.show(time);
    const leftOut = this.edits.isExcluded(time) ? ", left out" : "";
    say(find(".position"), `${timeText(time)} / ${timeText(recording.seconds)}${leftOut}`);
    say(find(".play"), isPlaying ? "Pause" : "Play");
    this.read(this.pointed ?? time);
    this.showingBars ??= setTimeout(() => this.showBars(), BARS_EVERY);
  }

  showBars() {
    this.showingBars = null;
    this.panel.show(this.facesAt(this.clock.time), 0, this.people.chosen);
  }

  point(time) {
    this.pointed = time;
    this.move();
  }

  // The chosen person's probabilities in the frame at a time, as the table has them.
  read(time) {
    const { recording } = this;
    const row = recording.rowsAt(time).find((each) => recording.person[each] === this.people.chosen);
    const values = row === undefined ? null : recording.probabilities(row);
    say(this.find(".read-at"), timeText(recording.moments[recording.frameAt(time)]));
    this.values.forEach((place, index) => {
      place.textContent = values ? `${(100 * values[index]).toFixed(2)}\u00a0%` : "–";
    });
  }

  // time: of the frame on the screen; without one, that of the latest.
  showBoxes(time = this.shownTime) {
    this.shownTime = time;
    if (!this.boxes || time === undefined) return;
    const isHidden = !this.find(".with-boxes").checked;
    this.boxes.show(isHidden ? [] : this.facesAt(time), this.light.face);
  }

  facesAt(time) {
    return facesAt(this.recording, this.edits, this.expressions, time);
  }
}
