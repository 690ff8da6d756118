"""COCO's figures: average precision as pycocotools counts it, for all sizes and 100 boxes a picture."""
import cv2
import numpy as np

import data
from progress import Bar

RECALLS = np.linspace(0, 1, 101)
LIMITS = np.linspace(0.5, 0.95, 10)


def table_of(found, truth, ignored):
    """IoU of each found box with each true one; with an ignored region the share of the found box inside it."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    both = (np.minimum(found[:, None, 2:], truth[None, :, 2:]) - low).clip(0).prod(2)
    mine, its = ((b[:, 2:] - b[:, :2]).prod(1) for b in (found, truth))
    return both / np.where(ignored[None], mine[:, None], mine[:, None] + its[None] - both).clip(1e-9)


class Figures:
    """Add pictures, then ask."""

    def __init__(self, labels):
        self.labels = labels
        self.rows = [[] for _ in labels]      # (score, right at each limit, ignored at each limit)
        self.count = np.zeros(len(labels), int)

    def add(self, found, truth, crowds=None):
        """Rows (class, score, left, top, right, bottom); rows (class, left, top, right, bottom); crowds likewise."""
        crowds = np.zeros((0, 5)) if crowds is None else crowds
        found = found[np.argsort(-found[:, 1], kind="stable")][:100]
        for c in range(len(self.labels)):
            mine, its, crowd = found[found[:, 0] == c], truth[truth[:, 0] == c], crowds[crowds[:, 0] == c]
            self.count[c] += len(its)
            if not len(mine):
                continue
            true = np.concatenate([its[:, 1:], crowd[:, 1:]])
            ignored = np.arange(len(true)) >= len(its)
            fit = table_of(mine[:, 2:], true, ignored)
            right, left_out = (np.zeros((len(LIMITS), len(mine)), bool) for _ in range(2))
            for n, limit in enumerate(LIMITS):
                free = np.ones(len(true), bool)
                for k in range(len(mine)):
                    for kind in (~ignored, ignored):
                        usable = np.where(kind & free, fit[k], -1.0)
                        best = int(usable.argmax()) if len(usable) else -1
                        if best >= 0 and usable[best] >= limit:
                            right[n, k], left_out[n, k] = not ignored[best], ignored[best]
                            free[best] = ignored[best]  # a crowd takes any number
                            break
            self.rows[c] += [(score, right[:, k], left_out[:, k]) for k, score in enumerate(mine[:, 1])]

    def precision(self, c):
        """AP of a class at each limit; None where it never occurs."""
        if not self.count[c]:
            return None
        if not self.rows[c]:
            return np.zeros(len(LIMITS))
        order = np.argsort([-row[0] for row in self.rows[c]], kind="stable")
        right = np.array([row[1] for row in self.rows[c]])[order]
        left_out = np.array([row[2] for row in self.rows[c]])[order]
        out = []
        for n in range(len(LIMITS)):
            hits = right[~left_out[:, n], n]
            recall, precision = hits.cumsum() / self.count[c], hits.cumsum() / np.arange(1, len(hits) + 1)
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, RECALLS, side="left")
            out.append(np.append(precision, 0)[np.minimum(at, len(precision))].mean())
        return np.array(out)

    def each(self):
        """(label, objects, AP50, AP50-95) of the classes that occur."""
        rows = [(label, int(self.count[c]), self.precision(c)) for c, label in enumerate(self.labels)]
        return [(label, count, float(ap[0]), float(ap.mean())) for label, count, ap in rows if ap is not None]

    def mean(self, labels=None):
        """(AP50, AP50-95) over the classes that occur, or over those named."""
        rows = [r for r in self.each() if labels is None or r[0] in labels]
        return tuple(float(np.mean([r[k] for r in rows])) if rows else 0.0 for k in (2, 3))


def measured(detect, pictures, labels):
    """Figures of a detector on annotated pictures. `detect` gives rows (class, score, left, top, right, bottom) of an
    RGB picture; regions that are crowds are ignored, for every class."""
    figures, bar = Figures(labels), Bar("pictures", len(pictures))
    for k, picture in enumerate(pictures):
        image = cv2.cvtColor(cv2.imread(str(picture.path)), cv2.COLOR_BGR2RGB)
        h, w, _ = image.shape
        rows = picture.rows.astype(np.float64) * [1, w, h, w, h, 1]
        crowds = rows[(rows[:, 0] == data.UNKNOWN) & (rows[:, 5] >= data.CROWD)]
        crowds = np.concatenate([np.insert(crowds[:, 1:5], 0, c, 1) for c in range(len(labels))])
        figures.add(detect(image), rows[rows[:, 0] >= 0, :5], crowds)
        bar.show(k + 1)
    return figures
