// Markers and spans that are left out: their lists, the field for a new marker, and how they lie over the time axis.
import { timeText } from "./clock.js";

const NAME = "Marker"; // of one that gets no name

export class Markers {
  // does: goTo(time) and now(), the time at which the player is.
  constructor(player, edits, axis, does) {
    Object.assign(this, { edits, axis, does, begun: null, rows: new Map(), spans: new Map() });
    const find = (name) => player.querySelector(name);
    this.form = find(".new-marker");
    this.list = find(".markers");
    this.spanList = find(".left-out");
    this.over = find(".marks");
    this.from = find(".from-here");
    this.cancel = find(".cancel-span");
    this.template = find(".marker-row");
    this.spanTemplate = find(".span-row");
    this.form.addEventListener("submit", (event) => this.store(event));
    this.form.addEventListener("keydown", ({ key }) => key === "Escape" && this.close());
    find(".cancel-marker").addEventListener("click", () => this.close());
    find(".add-marker").addEventListener("click", () => this.open());
    this.from.addEventListener("click", () => this.markEdge());
    this.cancel.addEventListener("click", () => this.begin(null));
    this.show();
  }

  open() {
    if (document.fullscreenElement) document.exitFullscreen(); // it would hide the field
    this.time = this.does.now();
    this.back = document.activeElement;
    this.form.hidden = false;
    this.form.querySelector("span").textContent = `Marker at ${timeText(this.time)}`;
    const field = this.form.querySelector("input");
    field.value = "";
    field.focus();
  }

  close() {
    this.form.hidden = true;
    this.back?.focus();
  }

  store(event) {
    event.preventDefault();
    const name = this.form.querySelector("input").value.trim() || NAME;
    const markers = [...this.edits.markers, { time: this.time, name }].sort((one, other) => one.time - other.time);
    this.edits.change({ markers });
    this.close();
  }

  // The button without the mouse: the first press sets where the span begins, the second where it ends.
  markEdge() {
    const now = this.does.now();
    if (this.begun === null) return this.begin(now);
    const { begun } = this;
    this.begin(null);
    if (begun !== now) this.leaveOut(Math.min(begun, now), Math.max(begun, now));
  }

  begin(time) {
    this.begun = time;
    this.from.textContent = time === null ? "Leave out from here" : `Leave out from ${timeText(time)} to here`;
    this.cancel.hidden = time === null;
    if (time === null) this.from.focus();
  }

  leaveOut(begin, end) {
    const excluded = [];
    for (const span of [...this.edits.excluded, [begin, end]].sort((one, other) => one[0] - other[0])) {
      const latest = excluded.at(-1);
      if (latest && span[0] <= latest[1]) latest[1] = Math.max(latest[1], span[1]);
      else excluded.push([...span]);
    }
    this.edits.change({ excluded });
  }

  show() {
    const { markers, excluded } = this.edits;
    this.fill(this.list, this.rows, markers, (marker) => this.markerRow(marker));
    this.fill(this.spanList, this.spans, excluded, (span) => this.spanRow(span));
    this.over.replaceChildren(
      ...excluded.map(([begin, end]) => {
        const band = Object.assign(document.createElement("div"), { className: "excluded" });
        this.axis.stretch(band, begin, end);
        return band;
      }),
      ...markers.map(({ time, name }) => {
        const line = Object.assign(document.createElement("div"), { className: "marker" });
        line.append(Object.assign(document.createElement("span"), { textContent: name }));
        this.axis.stretch(line, time, time);
        return line;
      }),
    );
  }

  // Rows stay in place while their entry does, so that neither the focus nor a click gets lost.
  fill(list, rows, entries, make) {
    const wanted = new Set(entries);
    for (const [entry, row] of rows) {
      if (wanted.has(entry)) continue;
      if (row.contains(document.activeElement)) list.focus();
      row.remove();
      rows.delete(entry);
    }
    entries.forEach((entry, place) => {
      if (!rows.has(entry)) rows.set(entry, make(entry));
      if (list.children[place] !== rows.get(entry)) list.insertBefore(rows.get(entry), list.children[place] ?? null);
    });
    list.parentElement.hidden = !entries.length;
  }

  markerRow(marker) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const text = timeText(marker.time);
    const [moment, field, remove] = row.querySelectorAll("button, input");
    moment.textContent = text;
    moment.setAttribute("aria-label", `Go to ${text}`);
    moment.addEventListener("click", () => this.does.goTo(marker.time));
    field.value = marker.name;
    field.setAttribute("aria-label", `Name of the marker at ${text}`);
    field.addEventListener("change", () => {
      marker.name = field.value = field.value.trim() || NAME;
      this.edits.change({ markers: [...this.edits.markers] });
    });
    leaveOnKeys(field, () => marker.name);
    remove.setAttribute("aria-label", `Delete the marker at ${text}`);
    remove.addEventListener("click", () => {
      this.edits.change({ markers: this.edits.markers.filter((other) => other !== marker) });
    });
    return row;
  }

  spanRow(span) {
    const row = this.spanTemplate.content.firstElementChild.cloneNode(true);
    const [moment, remove] = row.querySelectorAll("button");
    moment.textContent = `${timeText(span[0])} to ${timeText(span[1])}`;
    moment.setAttribute("aria-label", `Go to ${timeText(span[0])}, left out to ${timeText(span[1])}`);
    moment.addEventListener("click", () => this.does.goTo(span[0]));
    remove.setAttribute("aria-label", `Bring back ${moment.textContent}`);
    remove.addEventListener("click", () => {
      this.edits.change({ excluded: this.edits.excluded.filter((other) => other !== span) });
    });
    return row;
  }
}

// In a field for a name, Enter stores and Escape brings the former name back.
export function leaveOnKeys(field, former) {
  field.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") field.value = former();
    if (key === "Escape" || key === "Enter") field.blur();
  });
}
