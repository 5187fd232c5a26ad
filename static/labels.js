// Finds places for labels beside boxes, so that none runs off the picture or lies over another.
const STEPS = 2; // places to try for each width and height of a label, where those beside its box are taken

const meet = (one, other) =>
  one.left < other.left + other.width && other.left < one.left + one.width
  && one.top < other.top + other.height && other.top < one.top + one.height;

// Returns the label's { left, top, width, height } of each of the items, or null where no place is left.
// items: { box, label }; box: { left, top, width, height }; label: { width, height }; all in pixels, like the picture's
// width and height. Earlier items come first to the places that they like.
export function placeLabels(items, width, height) {
  const placed = [];
  return items.map(({ box, label }, index) => {
    const others = items.filter((_, each) => each !== index).map((item) => item.box);
    const isFree = (place) => isInside(place, width, height) && !placed.some((each) => meet(place, each));
    const near = besideBox(box, label, width).filter(isFree);
    const place = near.find((each) => !others.some((other) => meet(each, other))) ?? near[0]
      ?? elsewhere(box, label, width, height).find(isFree) ?? null;
    if (place) placed.push(place);
    return place;
  });
}

const isInside = ({ left, top, width, height }, right, bottom) =>
  left >= 0 && top >= 0 && left + width <= right && top + height <= bottom;

// Above, below and inside the box, at its left or right side, in the order in which they are liked.
function besideBox(box, label, width) {
  const within = (left) => Math.max(0, Math.min(left, width - label.width));
  const lefts = [within(box.left), within(box.left + box.width - label.width)];
  const bottom = box.top + box.height;
  const tops = [box.top - label.height, bottom, Math.max(0, box.top), bottom - label.height];
  return tops.flatMap((top) => lefts.map((left) => ({ left, top, ...label })));
}

// Places all over the picture, the nearest to that above the box first.
function elsewhere(box, label, width, height) {
  const places = [];
  const across = Math.max(1, Math.floor((STEPS * (width - label.width)) / label.width));
  const down = Math.max(1, Math.floor((STEPS * (height - label.height)) / label.height));
  for (let row = 0; row <= down; row += 1) {
    for (let column = 0; column <= across; column += 1) {
      const left = ((width - label.width) * column) / across;
      const top = ((height - label.height) * row) / down;
      places.push({ left, top, ...label, far: Math.hypot(left - box.left, top - box.top + label.height) });
    }
  }
  return places.sort((one, other) => one.far - other.far);
}
