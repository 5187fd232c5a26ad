// Sends a file to the server and tells how much of it is sent, which fetch doesn't.
import { refusalOf } from "./ask.js";

const FAILED = "The upload failed: the server is not responding, or the file is too large.";

// Returns the JSON of the answer, or throws an Error as ask does. report: is called with the share that is sent, 0 to 1.
// signal: an AbortSignal, after which the Error is of no use to anybody.
export function sendFile(path, file, report, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    signal.addEventListener("abort", () => request.abort());
    request.upload.addEventListener("progress", ({ loaded, total }) => report(loaded / total));
    request.addEventListener("error", () => reject(Object.assign(new Error(FAILED), { isUnreachable: true })));
    request.addEventListener("abort", () => reject(new Error(FAILED)));
    request.addEventListener("load", async () => {
      const response = new Response(request.responseText, { status: request.status });
      if (response.ok) resolve(response.json());
      else reject(await refusalOf(response));
    });
    request.open("POST", path);
    request.send(file);
  });
}
