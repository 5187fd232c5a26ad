// All faces of a picture together: the mean of their probabilities, now and over time.
import { put } from "./ask.js";
import { expressionColours } from "./colours.js";
import { percent } from "./numbers.js";

const SAMPLE_EVERY = 0.5; // seconds
const GAP = 2; // seconds without a face, after which the curve is interrupted

export class Together {
  samples = []; // { time, tops: the upper edges of the expressions' shares, one on top of another }

  // span: seconds that the curve shows; 0 for none.
  constructor(place, span) {
    Object.assign(this, { place, span, values: [...place.querySelectorAll(".value")] });
    this.canvas = place.querySelector("canvas");
    this.canvas.hidden = !span;
    this.colours = [...expressionColours().values()];
  }

  // time: in seconds. isShown: whether it can be seen.
  show(faces, time, isShown) {
    const shares = meanOf(faces);
    const isDue = this.span && shares && time - (this.samples.at(-1)?.time ?? -Infinity) >= SAMPLE_EVERY;
    if (isDue) this.keep(time, shares);
    if (!isShown) return;
    this.values.forEach((place, index) => put(place, shares ? percent(shares[index]) : "–"));
    if (isDue) this.draw(time);
  }

  clear() {
    this.samples = [];
    for (const place of this.values) put(place, "–");
    this.canvas.width = this.canvas.width; // clears it
  }

  keep(time, shares) {
    let top = 0;
    this.samples.push({ time, tops: shares.map((share) => (top += share)) });
    while (this.samples[0].time < time - this.span) this.samples.shift();
  }

  draw(now) {
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.strokeStyle = getComputedStyle(this.canvas).backgroundColor;
    const left = (time) => ((time - now + this.span) / this.span) * width;
    for (const run of runsOf(this.samples)) {
      for (let index = this.colours.length - 1; index >= 0; index--) {
        context.beginPath();
        context.moveTo(left(run[0].time), height);
        for (const { time, tops } of run) context.lineTo(left(time), height * (1 - tops[index]));
        context.lineTo(left(run.at(-1).time), height);
        context.closePath();
        context.fillStyle = this.colours[index];
        context.fill();
        context.stroke(); // colours beside each other are about as dark
      }
    }
  }
}

// The mean probability of each expression over the faces that have any, or null without those.
function meanOf(faces) {
  const known = faces.filter((face) => face.emotions && face.state === "frontal").map((face) => Object.values(face.emotions));
  return known.length ? known[0].map((_, index) => known.reduce((sum, each) => sum + each[index], 0) / known.length) : null;
}

function runsOf(samples) {
  const runs = [];
  for (const sample of samples) {
    const latest = runs.at(-1)?.at(-1);
    if (latest && sample.time - latest.time < GAP) runs.at(-1).push(sample);
    else runs.push([sample]);
  }
  return runs;
}
