"""The eight classes as outlines. One place, so that trainer, fixtures and sample video draw the same things.

An outline is a list of closed rings of points in the square [-1, 1]; the even-odd rule fills them (a ring has a hole).
y points down, as in pictures.
"""
import numpy as np

LABELS = ["circle", "square", "triangle", "star", "cross", "ring", "heart", "arrow"]


def _arc(radius=1.0, n=40):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(t), np.sin(t)], 1) * radius


def star(inner=0.42, tips=5):
    t = np.arange(tips * 2) * np.pi / tips - np.pi / 2
    r = np.where(np.arange(tips * 2) % 2 == 0, 1.0, inner)
    return np.stack([np.cos(t) * r, np.sin(t) * r], 1)


def cross(arm=0.33):
    a = arm
    return np.array([[-a, -1], [a, -1], [a, -a], [1, -a], [1, a], [a, a], [a, 1], [-a, 1], [-a, a], [-1, a], [-1, -a],
                     [-a, -a]])


def heart():
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    p = np.stack([x, y], 1)
    low, high = p.min(0), p.max(0)
    return (p - (low + high) / 2) / ((high - low) / 2)


def arrow(shaft=0.28, neck=0.0, barb=0.8):
    """Points to the right; `neck` is where the head begins."""
    return np.array([[-1, -shaft], [neck, -shaft], [neck, -barb], [1, 0], [neck, barb], [neck, shaft], [-1, shaft]])


def outline(label, rng=None):
    """Rings of the class; with `rng` the free proportions (star's inner radius, arms' width ...) vary."""
    def vary(low, normal, high):
        return normal if rng is None else rng.uniform(low, high)

    if label == "circle":
        return [_arc()]
    if label == "square":
        return [np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])]
    if label == "triangle":
        return [np.array([[0, -1], [1, 1], [-1, 1.0]]) * [1, vary(0.8, 1.0, 1.05)]]
    if label == "star":
        return [star(vary(0.36, 0.42, 0.52))]
    if label == "cross":
        return [cross(vary(0.2, 0.33, 0.4))]
    if label == "ring":
        return [_arc(), _arc(vary(0.5, 0.62, 0.78))]
    if label == "heart":
        return [heart()]
    if label == "arrow":
        return [arrow(vary(0.14, 0.28, 0.36), vary(-0.2, 0.0, 0.35), vary(0.6, 0.8, 1.0))]
    raise KeyError(label)


def place(rings, centre, half, angle=0.0):
    """Rings in pixels: scaled to `half` (w, h), turned by `angle` radians, moved to `centre`."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    return [(ring * half) @ turn + centre for ring in rings]


def bounds(rings):
    points = np.concatenate(rings)
    return (*points.min(0), *points.max(0))
