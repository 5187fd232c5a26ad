// Keeps analysed pictures, with their answers, in this browser, so that they are there after the page is reloaded.
// Without it, as where a browser keeps nothing, everything else works: the functions then do nothing.
const KEPT_FOR = 24 * 3600 * 1000; // milliseconds
const STORE = "pictures";

const opened = open().catch(() => null); // the database

async function open() {
  const request = indexedDB.open("uploads", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
  return resultOf(request);
}

function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// The result of a request that is made of the pictures, or null. make: gets the store, and returns the request.
async function use(make) {
  const database = await opened;
  try {
    return await resultOf(make(database.transaction(STORE, "readwrite").objectStore(STORE)));
  } catch {
    return null;
  }
}

// picture: { id, file, answer: the server's }
export const keepPicture = (picture) => use((store) => store.put({ ...picture, at: Date.now() }));

export const forgetPicture = (id) => use((store) => store.delete(id));

// The picture with that id, or null.
export const storedPicture = (id) => use((store) => store.get(id)).then((picture) => picture ?? null);

// Deletes what is a day old, also that of other tabs.
export async function forgetOldPictures() {
  for (const { id, at } of (await use((store) => store.getAll())) ?? []) {
    if (Date.now() - at > KEPT_FOR) await forgetPicture(id);
  }
}
