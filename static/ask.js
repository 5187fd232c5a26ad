// Sends a request to the server. Returns the JSON of the answer, null where there is none, or throws an Error whose
// message is a sentence to show; the Error has the answer's status, or is one of a server that is unreachable.
import { reasonOf } from "./answers.js";

const complaints = new Set(); // places that say why something could not be done
let latest = Promise.resolve(); // the answer to the latest request in order

export async function ask(path, method = "GET", body = undefined) {
  const options = { method };
  if (body instanceof Blob || body instanceof FormData) {
    options.body = body;
  } else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw Object.assign(new Error("The server is not responding."), { isUnreachable: true });
  }
  if (response.status === 204) return null;
  if (!response.ok) throw await refusalOf(response);
  return response.json().catch(() => ({}));
}

// Sends a request, as `send` does, once the one before it is answered: a marker that is set right after a recording was
// begun belongs to it, also where the server takes its time.
export function inOrder(send) {
  const answer = latest.then(send);
  latest = answer.catch(() => null);
  return answer;
}

// response: one that is not ok.
export async function refusalOf(response) {
  return Object.assign(new Error(await reasonOf(response)), { status: response.status });
}

export const byId = (id) => document.getElementById(id);

// Writes only where it changes something, since that makes the browser lay out the page anew.
export function put(place, text) {
  if (place.textContent !== String(text)) place.textContent = text;
}

export function say(place, text) {
  put(place, text);
  place.hidden = !text;
}

// Says why something could not be done. The sentence goes when a server that has gone is back.
export function complain(place, error) {
  say(place, error.message);
  complaints.add(place);
}

export function withdrawComplaints() {
  for (const place of complaints) say(place, "");
  complaints.clear();
}
