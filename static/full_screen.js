// A button that shows an element on the full screen, and says so when it does.
const ENTER = "Full screen";
const LEAVE = "Leave full screen";

export function offerFullScreen(button, element) {
  button.hidden ||= !document.fullscreenEnabled; // as on an iPhone
  button.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else element.requestFullscreen();
  });
  element.addEventListener("fullscreenchange", () => {
    button.textContent = document.fullscreenElement === element ? LEAVE : ENTER;
  });
}
