"""Boxes as (left, top, right, bottom)."""
import numpy as np


def shared(box, boxes):
    """Area that one box has in common with each of several."""
    return (np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(0).prod(1)


def overlaps(box, boxes):
    """IoU of one box with each of several."""
    both = shared(box, boxes)
    return both / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - both + 1e-9)


def inside(box, boxes):
    """The largest share of the box that one of several covers."""
    return shared(box, boxes).max(initial=0.0) / max((box[2:] - box[:2]).prod(), 1e-9)


def suppress(rows, iou):
    """Rows (class, score, left, top, right, bottom) without those that overlap a better one of their class; best
    first."""
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    keep = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        keep.append(best)
        rows = rows[(rows[:, 0] != best[0]) | (overlaps(best[2:], rows[:, 2:]) <= iou)]
    return np.array(keep).reshape(-1, 6)
