// Keeps the screen awake while somebody watches. The system takes the lock back when the page is out of sight.

let wanted = false;
let lock = null;

export function keepAwake(awake) {
  wanted = awake;
  if (awake) take();
  else release();
}

async function take() {
  if (!wanted || lock || document.hidden || !navigator.wakeLock) return;
  try {
    const got = await navigator.wakeLock.request('screen');
    lock = got;
    got.onrelease = () => (lock = null);
    if (!wanted) release();
  } catch {
    // low battery, or not allowed: the screen then does what it always does
  }
}

function release() {
  lock?.release().catch(() => {});
  lock = null;
}

document.addEventListener('visibilitychange', take);
