// The keys of the players: they act on the player that has the focus, or on the only one that can be seen.
const players = new Map(); // what each player does for a key, by its element

// actions: functions by the key's name, which is preceded by "Shift " where Shift counts.
export function listenToKeys(place, actions) {
  for (const known of players.keys()) if (!known.isConnected) players.delete(known);
  players.set(place, actions);
}

function playerOf(target) {
  const own = target.closest(".player");
  if (own || target !== document.body) return own;
  const seen = [...players.keys()].filter((place) => place.isConnected && place.offsetParent);
  return seen.length === 1 ? seen[0] : null;
}

// Whether a control needs the key itself.
function isTaken(target, key) {
  if (target.matches("input:not([type=checkbox]), textarea, select") || target.closest("dialog")) return true;
  return key === " " && target.matches("button, input, a, summary");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const actions = players.get(playerOf(event.target));
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = actions?.[event.shiftKey && key.startsWith("Arrow") ? `Shift ${key}` : key];
  if (!action || isTaken(event.target, key)) return;
  event.preventDefault();
  action(event);
});
