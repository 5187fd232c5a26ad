// The time axis of a player: dragging scrubs, dragging with Shift marks a span, and the playhead moves over all of it.
// What lies over curves and strips are elements of their own, so that nothing is drawn again while the time changes.
import { timeText } from "./clock.js";

const NARROW = 600; // pixels
const LEFT = 104; // pixels left of the axis, for names
const LEFT_NARROW = 72;
const RIGHT = 24; // for half of the last moment's text

export class TimeAxis {
  sides = { left: LEFT, right: RIGHT };

  // does: what it calls: goTo(time), hold(isHeld) around a drag, point(time), with null where the pointer has left,
  // leaveOut(begin, end), and choose(top) after a click on a name.
  constructor(place, seconds, does) {
    Object.assign(this, { place, seconds, does, drag: null });
    this.over = place.querySelector(".over");
    this.playhead = place.querySelector(".playhead");
    this.pointed = place.querySelector(".pointed");
    this.newSpan = place.querySelector(".new-span");
    place.setAttribute("aria-valuemax", seconds.toFixed(1));
    place.addEventListener("pointerdown", (event) => this.begin(event));
    place.addEventListener("pointermove", (event) => this.move(event));
    place.addEventListener("pointerup", (event) => this.end(event));
    place.addEventListener("pointercancel", () => this.stop());
    place.addEventListener("pointerleave", () => this.point(null));
    this.resize();
  }

  resize() {
    const width = this.place.clientWidth;
    this.sides.left = width < NARROW ? LEFT_NARROW : LEFT;
    this.room = Math.max(1, width - this.sides.left - this.sides.right);
    this.over.style.left = `${this.sides.left}px`;
    this.over.style.right = `${this.sides.right}px`;
  }

  show(time) {
    this.playhead.style.transform = `translateX(${(time / this.seconds) * this.room}px)`;
    this.place.setAttribute("aria-valuenow", time.toFixed(1));
    this.place.setAttribute("aria-valuetext", `${timeText(time)} of ${timeText(this.seconds, 0)}`);
  }

  timeAt({ clientX }) {
    const from = clientX - this.over.getBoundingClientRect().left;
    return (Math.min(Math.max(0, from), this.room) / this.room) * this.seconds;
  }

  begin(event) {
    if (event.button || this.drag) return;
    const { left } = this.over.getBoundingClientRect();
    if (event.clientX < left - 2) return this.does.choose(event);
    this.place.setPointerCapture(event.pointerId);
    this.drag = { from: this.timeAt(event), isSpan: event.shiftKey };
    if (this.drag.isSpan) {
      event.preventDefault(); // or text would be selected
      return;
    }
    this.does.hold(true);
    if (event.pointerType !== "touch") this.does.goTo(this.drag.from); // a touch may become scrolling
  }

  move(event) {
    const time = this.timeAt(event);
    if (event.pointerType !== "touch" || this.drag) this.point(time);
    if (!this.drag) return;
    if (this.drag.isSpan) this.markNew(this.drag.from, time);
    else this.does.goTo(time);
  }

  end(event) {
    if (!this.drag) return;
    const time = this.timeAt(event);
    const { from, isSpan } = this.drag;
    if (isSpan && time !== from) this.does.leaveOut(Math.min(from, time), Math.max(from, time));
    if (!isSpan) this.does.goTo(time);
    if (event.pointerType === "touch") this.point(null);
    this.stop();
  }

  stop() {
    if (this.drag && !this.drag.isSpan) this.does.hold(false);
    this.drag = null;
    this.newSpan.hidden = true;
  }

  point(time) {
    this.pointed.hidden = time === null;
    if (time !== null) this.pointed.style.transform = `translateX(${(time / this.seconds) * this.room}px)`;
    this.does.point(time);
  }

  markNew(from, to) {
    this.newSpan.hidden = from === to;
    this.stretch(this.newSpan, Math.min(from, to), Math.max(from, to));
  }

  stretch(element, begin, end) {
    element.style.left = `${(100 * begin) / this.seconds}%`;
    element.style.width = `${(100 * (Math.min(end, this.seconds) - begin)) / this.seconds}%`;
  }
}
