// Sends a request to the server. Returns the JSON of the answer, null where there is none, or throws an Error whose
// message is a sentence to show.
export async function ask(path, method = "GET", body = undefined) {
  const options = { method };
  if (body instanceof Blob) {
    options.body = body;
  } else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server is not responding.");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The server answered with error ${response.status}.`);
  return answer;
}

export const byId = (id) => document.getElementById(id);

export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}
