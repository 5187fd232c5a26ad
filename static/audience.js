// How many people steer and how many only watch, in words.
export const audienceText = ({ steering, watching }) =>
  `${steering} ${steering === 1 ? "steers" : "steer"}, ${watching} ${watching === 1 ? "watches" : "watch"}`;
