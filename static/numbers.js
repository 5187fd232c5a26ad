// Numbers as people read them.

// A share, 0..1, such as "85 %".
export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
