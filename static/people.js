// The people of a recording, longest seen first: naming them, merging faces of one person, leaving faces out.
import { timeText } from "./clock.js";
import { colourOf } from "./colours.js";
import { leaveOnKeys } from "./markers.js";
import { TURNED_AWAY, UNSURE } from "./player_data.js";

const AT_ONCE = 10;
const SHORTEST = 0.5; // seconds, below which a label is told only where there is none that is longer

export class People {
  count = AT_ONCE; // how many are listed
  chosen = null; // the number of the person whose curves are shown

  // expressions: their names. choose: is called when another person is chosen; showMore, when more are listed.
  constructor(player, recording, edits, expressions, { choose, showMore }) {
    Object.assign(this, { recording, edits, expressions, choose, rows: new Map() });
    this.list = player.querySelector(".people");
    this.template = player.querySelector(".person-row");
    this.more = player.querySelector(".more");
    this.whose = player.querySelector(".whose");
    this.whose.addEventListener("change", () => this.pick(Number(this.whose.value)));
    this.more.addEventListener("click", () => {
      this.count += AT_ONCE;
      this.show();
      showMore();
    });
  }

  get listed() {
    return this.recording.people.slice(0, this.count);
  }

  pick(number) {
    this.chosen = number;
    this.show();
    this.choose();
  }

  // The person whose curves are shown, or the longest seen where that one is gone; null without any.
  person() {
    const { kept } = this.recording;
    return kept.find((person) => person.number === this.chosen) ?? kept[0] ?? null;
  }

  show() {
    const { kept, people } = this.recording;
    this.chosen = this.person()?.number ?? null;
    const listed = new Set(this.listed.map((person) => person.number));
    for (const [number, row] of this.rows) {
      if (listed.has(number)) continue;
      if (row.contains(document.activeElement)) this.list.focus();
      row.remove();
      this.rows.delete(number);
    }
    this.listed.forEach((person, place) => {
      const { number } = person;
      if (!this.rows.has(number)) this.rows.set(number, this.row(number));
      this.fill(this.rows.get(number), person);
      const before = this.list.children[place] ?? null;
      if (before !== this.rows.get(number)) this.list.insertBefore(this.rows.get(number), before);
    });
    const left = people.length - this.listed.length;
    this.more.hidden = !left;
    this.more.textContent = `Show ${Math.min(AT_ONCE, left)} more (${left} left)`;
    setOptions(this.whose, kept.map(({ number }) => [number, this.edits.nameOf(number)]));
    this.whose.value = this.chosen ?? "";
  }

  row(number) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const find = (name) => row.querySelector(name);
    row.style.setProperty("--face", colourOf(number));
    find(".number").textContent = number;
    find(".curves-of").addEventListener("click", () => this.pick(number));
    const name = find(".name");
    name.placeholder = `Face ${number}`;
    name.setAttribute("aria-label", `Name of face ${number}`);
    name.addEventListener("change", () => this.rename(number, name.value));
    leaveOnKeys(name, () => this.edits.names[number] ?? "");
    const same = find(".same");
    same.setAttribute("aria-label", `Face ${number} is the same person as …`);
    same.addEventListener("change", () => this.merge(number, Number(same.value)));
    find(".leave-out").addEventListener("click", () => this.leaveOut(number));
    return row;
  }

  fill(row, { number, seconds, kinds, merged, isLeftOut }) {
    const find = (name) => row.querySelector(name);
    row.classList.toggle("off", isLeftOut);
    const name = find(".name");
    if (name !== document.activeElement) name.value = this.edits.names[number] ?? "";
    find(".seen").textContent = `Seen for ${timeText(seconds, 0)}: ${this.tell(kinds)}`;
    const curves = find(".curves-of");
    curves.hidden = isLeftOut;
    curves.setAttribute("aria-pressed", number === this.chosen);
    curves.setAttribute("aria-label", `Curves of ${this.edits.nameOf(number)}`);
    const others = this.recording.kept.filter((other) => other.number !== number);
    const same = find(".same");
    same.hidden = isLeftOut || !others.length;
    const named = others.map((other) => [other.number, this.edits.nameOf(other.number)]);
    setOptions(same, [["", "Same person as …"], ...named]);
    same.value = "";
    const leave = find(".leave-out");
    leave.textContent = isLeftOut ? "Bring back" : "Leave out";
    leave.setAttribute("aria-label", `${leave.textContent} ${this.edits.nameOf(number)}`);
    find(".merged").replaceChildren(...merged.map((face) => this.undoButton(face, number)));
  }

  undoButton(face, number) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "undo" });
    button.textContent = `Undo: with face ${face}`;
    button.addEventListener("click", () => {
      const { [face]: _, ...merged } = this.edits.merged;
      this.edits.change({ merged });
      this.rows.get(number)?.querySelector(".name").focus();
    });
    return button;
  }

  // Such as "Happy 3 s, unsure 1 s."
  tell(kinds) {
    const words = { [UNSURE]: "unsure", [TURNED_AWAY]: "turned away" };
    const longest = Math.max(...kinds);
    const told = [...kinds.entries()].filter(([, seconds]) => seconds && seconds >= Math.min(SHORTEST, longest));
    told.sort((one, other) => other[1] - one[1]);
    const each = told.map(([kind, seconds]) => `${words[kind] ?? this.expressions[kind]} ${seconds.toFixed(0)} s`);
    return `${each.join(", ")}.`;
  }

  rename(number, text) {
    const { [number]: _, ...names } = this.edits.names;
    const name = text.trim();
    this.edits.change({ names: name ? { ...names, [number]: name } : names });
  }

  // Whoever was merged into the face goes with it, and its name where the other has none.
  merge(number, other) {
    const merged = Object.fromEntries(
      Object.entries(this.edits.merged).map(([face, into]) => [face, into === number ? other : into]),
    );
    const { names } = this.edits;
    const kept = names[number] && !names[other] ? { ...names, [other]: names[number] } : names;
    if (this.chosen === number) this.chosen = other;
    this.edits.change({ merged: { ...merged, [number]: other }, names: kept });
    this.rows.get(other)?.querySelector(".name").focus();
  }

  leaveOut(number) {
    const without = this.edits.left_out.filter((face) => face !== number);
    const isLeftOut = without.length < this.edits.left_out.length;
    this.edits.change({ left_out: isLeftOut ? without : [...without, number] });
  }
}

function setOptions(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.options === key) return;
  select.dataset.options = key;
  select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
}
