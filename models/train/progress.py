"""A progress bar on a terminal; in a file, a line now and then."""
import sys
import time


class Bar:
    def __init__(self, what, total, every=60.0):
        self.what, self.total, self.every = what, total, every
        self.begin = self.last = time.time()
        self.terminal = sys.stderr.isatty()

    def show(self, done, note=""):
        now = time.time()
        if now - self.last < (0.5 if self.terminal else self.every) and done < self.total:
            return
        self.last = now
        left = (now - self.begin) / max(done, 1) * (self.total - done)
        share = done / self.total
        bar = "#" * int(share * 24)
        text = f"{self.what} [{bar:<24}] {done}/{self.total}  {left / 60:.1f} min left  {note}"
        if self.terminal:
            print(f"\r{text:<110}", end="\n" if done >= self.total else "", file=sys.stderr, flush=True)
        else:
            print(text, flush=True)
