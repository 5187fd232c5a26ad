// The colours of faces and expressions, as in vision/expressions.py.
const FACE_COLOURS = [
  "#a95d01", "#006fd9", "#04823a", "#b53eaf", "#d33222", "#077d7e", "#6f5ae4", "#8b6d00",
  "#cd2f73", "#657800", "#0a7a9a", "#a247c6", "#c04c00", "#0a7f6f", "#4964e7", "#c33593",
  "#7a7301", "#d32d50", "#08805c", "#0077b0", "#8b50d9", "#9a6600", "#3f7f00", "#007c8c",
];

export const colourOf = (number) => FACE_COLOURS[(number - 1) % FACE_COLOURS.length];

// The colours of the expressions by their names, in order, as style.css has them.
export function expressionColours() {
  const legend = [...document.querySelector(".legend").children];
  return new Map(legend.map((item) => [item.dataset.emotion, getComputedStyle(item).getPropertyValue("--emotion")]));
}
