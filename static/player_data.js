// The faces of a recording, read from faces.bin (see videos/analysis.py), with people's changes to who is who.
const TYPES = { Float64Array, Uint32Array, Uint16Array, Int16Array, Int8Array, Uint8Array };
const SAME_MOMENT = 0.0005; // seconds by which the time of a frame may differ in table and video
const LONGEST_GAP = 0.5; // seconds from one row of a person to the next, above which the person was away
export const SHARES = 10_000; // whole numbers up to which stand for a probability
export const EXPRESSIONS = 7;
export const UNSURE = EXPRESSIONS; // places after those of the labels, for what has none that is shown
export const TURNED_AWAY = EXPRESSIONS + 1;
const KINDS = EXPRESSIONS + 2;
export const NOBODY = -1;

export class Recording {
  // buffer: the content of faces.bin.
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const { columns, size, seconds } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    for (const { name, type, count, begin } of columns) this[name] = new TYPES[type](buffer, 4 + length + begin, count);
    this.size = size; // width and height in pixels; null where there is no video
    if (!this.moments.length) this.moments = Float64Array.of(0);
    this.seconds = Math.max(seconds, this.moments.at(-1), 0.001);
    this.begins = beginsOf(this.time, this.moments);
    this.spans = this.moments.map((moment, frame) =>
      Math.min(LONGEST_GAP, (this.moments[frame + 1] ?? this.seconds) - moment),
    );
    this.apply({ merged: {}, left_out: [] });
  }

  // Makes the people of the faces, longest seen first. A face's own row wins over one of a face merged into it.
  apply({ merged, left_out }) {
    const into = new Map(Object.entries(merged).map(([face, other]) => [Number(face), other]));
    const leftOut = new Set(left_out);
    this.person = this.face.map((face) => into.get(face) ?? face); // of each row; 0 where it counts for nobody
    if (into.size) this.dropDoubles();
    const people = new Map();
    for (let frame = 0; frame < this.moments.length; frame++) {
      for (let row = this.begins[frame]; row < this.begins[frame + 1]; row++) {
        const number = this.person[row];
        if (!number) continue;
        if (number !== this.face[row] && leftOut.has(this.face[row])) {
          this.person[row] = 0;
          continue;
        }
        let person = people.get(number);
        if (!person) people.set(number, (person = { number, rows: [], seconds: 0, kinds: new Float64Array(KINDS) }));
        person.rows.push(row);
        person.seconds += this.spans[frame];
        person.kinds[this.kind(row)] += this.spans[frame];
        if (leftOut.has(number)) this.person[row] = 0;
      }
    }
    for (const person of people.values()) person.isLeftOut = leftOut.has(person.number);
    this.people = [...people.values()].sort((one, other) => other.seconds - one.seconds || one.number - other.number);
    for (const person of this.people) {
      person.merged = [...into.keys()].filter((face) => into.get(face) === person.number);
    }
  }

  dropDoubles() {
    for (let frame = 0; frame < this.moments.length; frame++) {
      for (let row = this.begins[frame]; row < this.begins[frame + 1]; row++) {
        for (let other = this.begins[frame]; other < row && this.person[row]; other++) {
          if (this.person[other] !== this.person[row]) continue;
          this.person[this.face[row] === this.person[row] ? other : row] = 0;
        }
      }
    }
  }

  get kept() {
    return this.people.filter((person) => !person.isLeftOut);
  }

  // What a row says: the index of an expression, UNSURE or TURNED_AWAY.
  kind(row) {
    if (this.label[row] < 0) return TURNED_AWAY;
    return this.sure[row] ? this.label[row] : UNSURE;
  }

  // The frame that is shown at a time in seconds.
  frameAt(time) {
    return Math.max(0, firstAfter(this.moments, time + SAME_MOMENT) - 1);
  }

  // The rows at a time, of all who are kept.
  rowsAt(time) {
    const frame = this.frameAt(time);
    const rows = [];
    if (time - this.moments[frame] > LONGEST_GAP) return rows; // without a video, only frames with faces are known
    for (let row = this.begins[frame]; row < this.begins[frame + 1]; row++) if (this.person[row]) rows.push(row);
    return rows;
  }

  // A row's seven smoothed probabilities; null where the face is turned away.
  probabilities(row) {
    if (this.away[row] || this.label[row] < 0) return null;
    return Array.from(this.shares.subarray(EXPRESSIONS * row, EXPRESSIONS * (row + 1)), (share) => share / SHARES);
  }

  // A person's probabilities over time: [times, seven lists], with null where there are none. With more rows than
  // columns of pixels, each column has the mean of its rows.
  curves({ rows }, columns) {
    return rows.length > 2 * columns ? this.means(rows, columns) : this.points(rows);
  }

  points(rows) {
    const [times, ...lists] = Array.from({ length: EXPRESSIONS + 1 }, () => []);
    const add = (time, values) => {
      times.push(time);
      lists.forEach((list, index) => list.push(values ? values[index] : null));
    };
    for (const row of rows) {
      const time = this.time[row];
      if (time - times.at(-1) > LONGEST_GAP) add((time + times.at(-1)) / 2, null);
      add(time, this.probabilities(row));
    }
    return [times, ...lists];
  }

  means(rows, columns) {
    const sums = new Float64Array(EXPRESSIONS * columns);
    const counts = new Uint32Array(columns);
    for (const row of rows) {
      if (this.label[row] < 0) continue;
      const column = Math.min(columns - 1, Math.floor((this.time[row] / this.seconds) * columns));
      counts[column]++;
      for (let index = 0; index < EXPRESSIONS; index++) {
        sums[EXPRESSIONS * column + index] += this.shares[EXPRESSIONS * row + index];
      }
    }
    const times = Array.from(counts, (_, column) => ((column + 0.5) / columns) * this.seconds);
    const mean = (column, index) => sums[EXPRESSIONS * column + index] / counts[column] / SHARES;
    const list = (index) => Array.from(counts, (count, column) => (count ? mean(column, index) : null));
    return [times, ...Array.from({ length: EXPRESSIONS }, (_, index) => list(index))];
  }

  // What a person's rows say for the most part in each column of pixels (see kind), or NOBODY.
  strip({ rows }, columns) {
    const weights = new Float32Array(KINDS * columns);
    const unsure = new Float32Array(EXPRESSIONS * columns); // of UNSURE, by the label that it would have
    let frame = 0;
    for (const row of rows) {
      while (this.begins[frame + 1] <= row) frame++;
      const begin = (this.moments[frame] / this.seconds) * columns;
      const end = begin + (this.spans[frame] / this.seconds) * columns;
      const kind = this.kind(row);
      for (let column = Math.floor(begin); column < Math.min(end, columns); column++) {
        const weight = Math.min(end, column + 1) - Math.max(begin, column);
        weights[KINDS * column + kind] += weight;
        if (kind === UNSURE) unsure[EXPRESSIONS * column + this.label[row]] += weight;
      }
    }
    return Array.from({ length: columns }, (_, column) => {
      const kind = largest(weights, KINDS * column, KINDS);
      return { kind, label: kind === UNSURE ? largest(unsure, EXPRESSIONS * column, EXPRESSIONS) : kind };
    });
  }
}

// The first index whose value is above a number, in values that rise.
function firstAfter(values, number) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > number) high = middle;
    else low = middle + 1;
  }
  return low;
}

// The first row of each frame, and after them the number of rows; a row belongs to the frame that is nearest in time.
function beginsOf(times, moments) {
  const begins = new Uint32Array(moments.length + 1);
  let row = 0;
  for (let frame = 0; frame < moments.length; frame++) {
    begins[frame] = row;
    const border = frame + 1 < moments.length ? (moments[frame] + moments[frame + 1]) / 2 : Infinity;
    while (row < times.length && times[row] < border) row++;
  }
  begins[moments.length] = times.length;
  return begins;
}

function largest(values, begin, count) {
  let best = NOBODY;
  for (let index = 0; index < count; index++) {
    if (values[begin + index] > (best < 0 ? 0 : values[begin + best])) best = index;
  }
  return best;
}
