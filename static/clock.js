// Moments and lengths of time, as a clock has them.

// Such as 0:12.34, or 1:02:03.45 from an hour on.
export function timeText(seconds, digits = 2) {
  const whole = Math.round(seconds * 10 ** digits) / 10 ** digits;
  const rest = (whole % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

// A moment in seconds since 1970, as people here write it.
export function dateAndTime(seconds) {
  return new Date(1000 * seconds).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
