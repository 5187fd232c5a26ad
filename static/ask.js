// Asks the server for something: what it answers, or an Error with a sentence for the person.
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
    throw new Error("The server does not answer.");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error ?? `The server answers with ${response.status}.`);
  return answer;
}

export const byId = (id) => document.getElementById(id);

export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}
