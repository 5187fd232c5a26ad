// What people change in a recording, as the server has it: each change is sent at once, one request after another.
import { ask, say } from "./ask.js";

const SAVE_AFTER = 300; // milliseconds, so that changes in quick succession are sent together

export class Edits {
  // content: as the server gives it. problem: where it is said that changes are not saved. closed: an AbortSignal.
  // changed: is called with the names of what was changed.
  constructor(address, content, problem, closed, changed) {
    Object.assign(this, { address, problem, changed }, content);
    Object.assign(this, { version: 0, saved: 0, saving: null, timer: null });
    window.addEventListener("pagehide", () => this.sendAtOnce(), { signal: closed });
  }

  get content() {
    const { names, merged, left_out, markers, excluded } = this;
    return { names, merged, left_out, markers, excluded };
  }

  nameOf(number) {
    return this.names[number] || `Face ${number}`;
  }

  isExcluded(time) {
    return this.excluded.some(([begin, end]) => begin <= time && time <= end);
  }

  // part: new values of some of the content.
  change(part) {
    Object.assign(this, part);
    this.version++;
    this.changed(Object.keys(part));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save().catch(() => null), SAVE_AFTER);
  }

  // Resolves when all changes are on the server. Says so, and throws an Error, where they can't be saved.
  async save() {
    clearTimeout(this.timer);
    this.saving ??= this.send().finally(() => (this.saving = null));
    return this.saving;
  }

  async send() {
    try {
      while (this.saved !== this.version) {
        const { version } = this;
        await ask(this.address, "PUT", this.content);
        this.saved = version;
      }
      say(this.problem, "");
    } catch (error) {
      say(this.problem, `Your changes are not saved: ${error.message} They are sent again with your next change.`);
      throw error;
    }
  }

  // While the page closes, no answer can be waited for.
  sendAtOnce() {
    if (this.saved === this.version) return;
    const headers = { "Content-Type": "application/json" };
    const options = { method: "PUT", headers, body: JSON.stringify(this.content), keepalive: true };
    fetch(this.address, options).catch(() => null);
  }
}
