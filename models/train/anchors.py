"""Anchors: the sizes of boxes that heads begin with, by k-means on the training boxes.

Distance is 1 - IoU of boxes with one centre, as in Redmon and Farhadi, "YOLO9000", arXiv:1612.08242, section 2.
"""
import numpy as np

from data import UNKNOWN


def alike(sizes, centres):
    both = np.minimum(sizes[:, None], centres[None]).prod(2)
    return both / (sizes.prod(1)[:, None] + centres.prod(1)[None] - both)


def kmeans(sizes, count, seed=1, rounds=60):
    """`count` sizes, smallest first, and the mean IoU with the closest one."""
    rng = np.random.default_rng(seed)
    order = np.argsort(sizes.prod(1))
    centres = sizes[order[np.linspace(0, len(sizes) - 1, count + 2).astype(int)[1:-1]]].copy()
    for _ in range(rounds):
        nearest = alike(sizes, centres).argmax(1)
        for k in range(count):
            own = sizes[nearest == k]
            centres[k] = np.median(own, 0) if len(own) else sizes[rng.integers(len(sizes))]
    centres = centres[np.argsort(centres.prod(1))]
    return centres, float(alike(sizes, centres).max(1).mean())


def of(pictures, shapes, size, heads=3, each=3):
    """Anchors of each head, coarsest head first, in pixels of an input of `size`; `shapes` are (height, width)."""
    sizes = []
    for picture, (h, w) in zip(pictures, shapes):
        rows = picture.rows[picture.rows[:, 0] != UNKNOWN]
        fit = size / max(h, w)
        sizes.append((rows[:, 3:5] - rows[:, 1:3]) * [w * fit, h * fit])
    sizes = np.concatenate(sizes)
    # Training also shows the pictures smaller: a spread of scales, not only the letterboxed one.
    sizes = np.concatenate([sizes * scale for scale in (0.6, 0.8, 1.0, 1.3)])
    sizes = sizes[(sizes.min(1) > 4) & (sizes.max(1) < size)]
    centres, fit = kmeans(sizes, heads * each)
    return [[[round(float(v)) for v in pair] for pair in group] for group in centres.reshape(heads, each, 2)[::-1]], fit
