// The downloads of a recording. Each is made when it is asked for, with all changes in it.
import { ask, say } from "./ask.js";

const ASK_EVERY = 500; // milliseconds

export class Downloads {
  // place: the element with the buttons, whose data-output says what they are for. edits: have to be saved first.
  constructor(place, address, edits) {
    Object.assign(this, { place, address, edits });
    this.state = place.querySelector(".making");
    this.problem = place.querySelector(".warn");
    for (const button of place.querySelectorAll("[data-output]")) {
      button.addEventListener("click", () => this.take(button));
    }
  }

  async take(button) {
    const table = this.place.querySelector(".table-kind").value;
    const boxes = this.place.querySelector(".zip-boxes").checked;
    const output = button.dataset.output === "table" ? `table.${table}` : button.dataset.output;
    say(this.problem, "");
    button.disabled = true;
    try {
      await this.edits.save();
      await this.make({ output, table, boxes }, button.textContent);
      const link = document.createElement("a");
      link.href = `${this.address}/${output}?download${output === "all.zip" ? `&table=${table}&boxes=${boxes}` : ""}`;
      link.click();
    } catch (error) {
      say(this.problem, `${button.textContent}: ${error.message}`);
    }
    button.disabled = false;
    this.tell("", null);
  }

  async make(wish, what) {
    while (this.place.isConnected) {
      const { status, share, problem } = await ask(`${this.address}/outputs`, "POST", wish);
      if (status === "failed") throw new Error(problem);
      if (status === "ready") return;
      this.tell(`${what}: ${Math.floor(100 * share)}\u00a0%`, share);
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY));
    }
    throw new Error("The recording is no longer shown.");
  }

  tell(text, share) {
    say(this.state.querySelector("span"), text);
    const bar = this.state.querySelector("progress");
    bar.hidden = share === null;
    bar.value = share ?? 0;
  }
}
