// Draws the labels of each face over time: a row per face, a coloured bar per label, pale where it is unsure.
const ROW = 22; // pixels
const LEFT = 24; // pixels left of the bars, for the faces' numbers
const MARKERS = 18; // pixels below the bars, for the markers' names
const MOST_ROWS = 6;
const DRAW_EVERY = 500; // milliseconds
const PALE = 0.3; // opacity
const GAP = 0.5; // seconds; a face missing for longer leaves a gap in its row
const legend = [...document.querySelectorAll(".legend li")];

export class Timeline {
  // words: the element for the same in words. span: how many seconds are shown, up to the latest.
  constructor(canvas, words, span) {
    Object.assign(this, { canvas, words, span, seen: new Map(), end: 0, drawn: 0, markers: [] });
    this.colours = new Map(
      legend.map((item) => [item.dataset.emotion, getComputedStyle(item).getPropertyValue("--emotion")]),
    );
  }

  clear() {
    this.seen.clear();
    this.draw();
  }

  // Add the faces of one live frame; time: its time in seconds. What is older than the span is dropped.
  add(time, faces) {
    this.end = time;
    this.markers = this.markers.filter((marker) => marker.time > time - this.span);
    for (const { face, label, sure } of faces) if (label) this.note(time, face, label, sure);
    for (const [face, runs] of this.seen) {
      while (runs.length && runs[0].end < time - this.span) runs.shift();
      if (!runs.length) this.seen.delete(face);
    }
    if (Date.now() - this.drawn > DRAW_EVERY) this.draw();
  }

  note(time, face, label, sure) {
    const runs = this.seen.get(face) ?? this.seen.set(face, []).get(face);
    const latest = runs.at(-1);
    const goesOn = latest && time - latest.end < GAP;
    if (goesOn && latest.label === label && latest.sure === sure) latest.end = time;
    else runs.push({ label, sure, begin: goesOn ? latest.end : time, end: time });
  }

  draw() {
    this.drawn = Date.now();
    const rows = [...this.seen].slice(-MOST_ROWS);
    const scale = window.devicePixelRatio || 1;
    const height = ROW * Math.max(1, rows.length) + (this.markers.length ? MARKERS : 0);
    this.width = this.canvas.clientWidth;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = this.width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    const ink = getComputedStyle(this.canvas).color;
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    rows.forEach(([face, runs], row) => {
      const middle = ROW * (row + 0.5);
      context.fillStyle = ink;
      context.fillText(face, 2, middle);
      for (const { label, sure, begin, end } of runs) {
        const left = Math.max(LEFT, this.place(begin));
        const right = Math.max(left + 2, this.place(end));
        context.fillStyle = this.colours.get(label);
        context.globalAlpha = sure ? 1 : PALE;
        context.fillRect(left, middle - ROW / 2 + 2, right - left, ROW - 4);
        context.globalAlpha = 1;
        if (!sure || context.measureText(label).width + 8 > right - left) continue;
        context.fillStyle = "white";
        context.fillText(label, left + 4, middle);
      }
    });
    for (const { time, name } of this.markers) {
      const left = this.place(time);
      if (left < LEFT) continue;
      context.fillStyle = ink;
      context.fillRect(left - 1, 0, 2, height);
      const room = this.width - left - 4;
      const wide = context.measureText(name).width;
      context.fillText(name, wide > room ? left - 4 - wide : left + 4, height - MARKERS / 2);
    }
    this.tell(rows);
  }

  place(time) {
    return LEFT + ((time - this.end + this.span) / this.span) * (this.width - LEFT);
  }

  tell(rows) {
    const sentences = rows.map(([face, runs]) => {
      const seconds = new Map();
      for (const { label, sure, begin, end } of runs) {
        const word = sure ? label : "unsure";
        seconds.set(word, (seconds.get(word) ?? 0) + end - begin);
      }
      const longest = Math.max(...seconds.values());
      const told = [...seconds].filter(([, each]) => each >= Math.min(0.5, longest)); // not those of "0 s"
      const shares = told.sort((one, other) => other[1] - one[1]);
      return `Face ${face}: ${shares.map(([label, each]) => `${label} ${each.toFixed(0)} s`).join(", ")}.`;
    });
    const noted = this.markers.map(({ name }) => name).join(", ");
    this.words.textContent = [...sentences, noted && `Markers: ${noted}.`].filter(Boolean).join(" ");
  }
}
