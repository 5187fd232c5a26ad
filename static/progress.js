// How far something is, in words: "34 %, about 20 seconds left".
const FIRST = 2; // seconds before which nothing is said of the time left
const SHORTEST = 10; // seconds over which the speed is averaged at least; otherwise over half of the time so far
const STAYS = 0.75; // of a step by which an estimate must differ from what is shown to replace it

const UNITS = [ // up to how many seconds, the length of a step in seconds, and the unit
  { below: 10, step: 5, unit: 1, name: "second" },
  { below: 60, step: 10, unit: 1, name: "second" },
  { below: 5400, step: 60, unit: 60, name: "minute" },
  { below: Infinity, step: 3600, unit: 3600, name: "hour" },
];

const unitOf = (seconds) => UNITS.find(({ below }) => seconds < below);

export class Progress {
  constructor() {
    this.restart();
  }

  restart() {
    Object.assign(this, { share: null, began: null, at: null, done: 0, took: 0, longest: 0, shown: null });
  }

  // The words for a share, 0 to 1, that is done now. now: in seconds.
  tell(share, now = performance.now() / 1000) {
    const percent = `${Math.floor(100 * share)}\u00a0%`;
    if (this.share === null || share < this.share) this.restart();
    if (this.share === null) Object.assign(this, { share, began: now, at: now });
    if (share > this.share) this.note(share, now);
    const late = Math.max(0, now - this.at - this.longest);
    const speed = this.done / (this.took + late);
    if (share === 1 || now - this.began < FIRST || !(speed > 0)) return percent;
    this.estimate((1 - share) / speed);
    return `${percent}, ${this.words()}`;
  }

  // Measures from one step to the next, since the share may grow in leaps. What was long ago counts less and less.
  note(share, now) {
    const passed = now - this.at;
    const fading = Math.exp(-passed / Math.max(SHORTEST, (now - this.began) / 2));
    this.done = this.done * fading + share - this.share;
    this.took = this.took * fading + passed;
    this.longest = Math.max(passed, this.longest * fading);
    Object.assign(this, { share, at: now });
  }

  estimate(seconds) {
    const { step } = unitOf(seconds);
    if (this.shown !== null && Math.abs(seconds - this.shown) < STAYS * step) return;
    this.shown = Math.max(step, step * Math.round(seconds / step));
  }

  words() {
    if (this.shown < 10) return "a few seconds left";
    const { unit, name } = unitOf(this.shown);
    const count = Math.round(this.shown / unit);
    return `about ${count} ${name}${count === 1 ? "" : "s"} left`;
  }
}
