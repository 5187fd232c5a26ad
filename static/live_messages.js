// Hands on what the live events say: to the picture what concerns it, and the rest to the page.
import { byId, say, withdrawComplaints } from "./ask.js";
import * as picture from "./picture.js";

let isGone = false; // whether the events have ended

// Returns what hears the messages of live_events.js. show: is called with each event. clear: is called when what was shown
// is no longer so.
export function listener(show, clear) {
  return (message) => {
    if (message.event) {
      const now = JSON.parse(message.event);
      if (isGone) picture.renew();
      setGone("");
      show(now);
      picture.check(now);
    } else if (message.problem) {
      setGone(message.problem);
      clear();
    } else if (message.picture) {
      picture.showSingle(message.picture);
    } else if (message.pictureProblem) {
      say(byId("picture-problem"), message.pictureProblem);
    } else {
      picture.open(message.hasStream);
    }
  };
}

// sentence: why there are no events, or "" while there are. isHeld: whether the picture stays, since the page is paused.
export function setGone(sentence, isHeld = false) {
  if (isGone && !sentence) withdrawComplaints();
  isGone = sentence !== "";
  say(byId("gone"), sentence);
  byId("stage").classList.toggle("gone", isGone && !isHeld);
}
