// What answers from the server mean, as sentences to show.
export const STOPPED = "The server has stopped. Start it again and the picture comes back.";
export const SILENT = "The server is not responding. The picture comes back as soon as it does.";
const NEW_LINK = "The program was restarted with a new link; open the link that it printed, or ask for it again.";
const TOO_LARGE = "This is too large for the proxy between this page and the program; its limit can be raised.";
const PROXY_ERRORS = [502, 503, 504]; // what a proxy answers when the program behind it is not running

// Why a request was refused. response: one that is not ok.
export async function reasonOf(response) {
  if (response.status === 401) return NEW_LINK;
  const answer = await response.json().catch(() => null);
  if (answer?.error) return answer.error;
  if (response.status === 413) return TOO_LARGE; // the program's own answer would have had a sentence
  return PROXY_ERRORS.includes(response.status) ? STOPPED : `The server answered with error ${response.status}.`;
}
