// Full screen of one element. Phones that give it to videos only get the element over the whole page instead.

export function toggleFull(element) {
  if (document.fullscreenElement) {
    document.exitFullscreen();
  } else if (element.requestFullscreen) {
    element.requestFullscreen().catch(() => {}); // refused: then it stays as it is
  } else {
    const filled = element.classList.toggle('filled');
    document.body.classList.toggle('covered', filled);
  }
}
