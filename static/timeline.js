// What was seen in the last minutes: a row for each face, in the colours of its labels.
const SPAN = 120; // seconds
const ROW = 22; // pixels
const MOST_ROWS = 6;
const DRAW_EVERY = 500; // milliseconds
const GAP = 0.5; // seconds without a face after which its bar is broken

export class Timeline {
  constructor(canvas, words, legend) {
    Object.assign(this, { canvas, words, seen: new Map(), now: 0, drawn: 0 });
    this.colours = new Map(
      [...legend].map((item) => [item.dataset.emotion, getComputedStyle(item).getPropertyValue("--emotion")]),
    );
  }

  add(time, faces) {
    this.now = time;
    for (const { face, label } of faces) {
      if (!label) continue;
      const runs = this.seen.get(face) ?? this.seen.set(face, []).get(face);
      const latest = runs.at(-1);
      if (latest?.label === label && time - latest.end < GAP) latest.end = time;
      else runs.push({ label, begin: latest && time - latest.end < GAP ? latest.end : time, end: time });
    }
    for (const [face, runs] of this.seen) {
      while (runs.length && runs[0].end < time - SPAN) runs.shift();
      if (!runs.length) this.seen.delete(face);
    }
    if (Date.now() - this.drawn > DRAW_EVERY) this.draw();
  }

  draw() {
    this.drawn = Date.now();
    const rows = [...this.seen].slice(-MOST_ROWS);
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = ROW * Math.max(1, rows.length);
    this.canvas.style.height = `${height}px`;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    rows.forEach(([face, runs], row) => {
      const middle = ROW * (row + 0.5);
      context.fillStyle = getComputedStyle(this.canvas).color;
      context.fillText(face, 2, middle);
      for (const { label, begin, end } of runs) {
        const left = Math.max(24, this.place(begin, width));
        const right = Math.max(left + 2, this.place(end, width));
        context.fillStyle = this.colours.get(label);
        context.fillRect(left, middle - ROW / 2 + 2, right - left, ROW - 4);
        if (context.measureText(label).width + 8 > right - left) continue;
        context.fillStyle = "white";
        context.fillText(label, left + 4, middle);
      }
    });
    this.tell(rows);
  }

  place(time, width) {
    return 24 + ((time - this.now + SPAN) / SPAN) * (width - 24);
  }

  tell(rows) {
    const sentences = rows.map(([face, runs]) => {
      const seconds = new Map();
      for (const { label, begin, end } of runs) seconds.set(label, (seconds.get(label) ?? 0) + end - begin);
      const shares = [...seconds].sort((one, other) => other[1] - one[1]);
      return `Face ${face}: ${shares.map(([label, each]) => `${label} ${each.toFixed(0)} s`).join(", ")}.`;
    });
    this.words.textContent = sentences.join(" ");
  }
}
