// Tells when nobody sees the page any more, since its tab is hidden or the browser keeps it for the Back button, and when
// somebody does again.
export function followVisibility(hide, show) {
  let isHidden = false;
  function setHidden(hidden) {
    if (hidden === isHidden) return;
    isHidden = hidden;
    if (hidden) hide();
    else show();
  }
  setHidden(document.hidden);
  document.addEventListener("visibilitychange", () => setHidden(document.hidden));
  window.addEventListener("pagehide", () => setHidden(true));
  window.addEventListener("pageshow", () => setHidden(document.hidden));
}
