"""Backgrounds of the training scenes: six independent ways to fill a picture that holds no object.

Each takes a generator and a size and gives float32 [h, w, 3] in 0..255. Everything smooth is made small and enlarged,
which keeps a scene at a few milliseconds.
"""
import string

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Letters that do not look like one of the classes (no O, Q, X, plus, asterisk, A, V, T, Y).
LETTERS = [c for c in string.ascii_letters + "123456789&%?!#=~" if c not in "OoQXxAVvTtYyDd"]
FONTS = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono-Bold.ttf"]


def colour(rng):
    """Greys, saturated and free colours, all three often."""
    kind = rng.random()
    if kind < 0.25:
        return np.full(3, rng.uniform(0, 255)) + rng.normal(0, 4, 3)
    if kind < 0.5:
        low, high = rng.uniform(0, 100), rng.uniform(120, 255)
        c = np.array([low, high, rng.uniform(low, high)])
        return c[rng.permutation(3)]
    return rng.uniform(0, 255, 3)


def near(rng, base, spread):
    return base + rng.normal(0, spread, 3)


def enlarge(small, w, h, how=Image.BICUBIC):
    """float32 [a, b, 3] to [h, w, 3]."""
    image = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))
    return np.asarray(image.resize((w, h), how), np.float32)


def font(rng, size):
    try:
        return ImageFont.truetype(FONTS[rng.integers(len(FONTS))], size)
    except OSError:
        return ImageFont.load_default()


def flat(rng, w, h):
    return np.broadcast_to(colour(rng).astype(np.float32), (h, w, 3)).copy()


def gradient(rng, w, h):
    a, b, c = colour(rng), colour(rng), colour(rng)
    if rng.random() < 0.6:  # straight
        angle = rng.uniform(0, 2 * np.pi)
        x, y = np.linspace(-1, 1, w), np.linspace(-1, 1, h)[:, None]
        t = (x * np.cos(angle) + y * np.sin(angle)) * 0.36 + 0.5
    else:  # round, usually with its centre outside the middle
        x, y = np.arange(w) / w - rng.uniform(-0.5, 1.5), np.arange(h)[:, None] / h - rng.uniform(-0.5, 1.5)
        t = np.sqrt(x * x + y * y) / 1.5
    t = np.clip(t, 0, 1)[..., None]
    return (a * (1 - t) + b * t + (c - a) * 0.7 * t * (1 - t)).astype(np.float32)


def noise(rng, w, h):
    """Several octaves, each a random grid enlarged."""
    base, strength = colour(rng), rng.uniform(20, 110)
    total = np.zeros((h, w, 3), np.float32) + base.astype(np.float32)
    grid = int(rng.integers(2, 5))
    grey = rng.random() < 0.5
    for octave in range(int(rng.integers(2, 5))):
        cells = rng.random((grid + 1, grid + 1, 1 if grey else 3)) * 255
        layer = enlarge(np.broadcast_to(cells, (grid + 1, grid + 1, 3)), w, h)
        total += (layer - 127) * (strength / 127 * 0.6 ** octave)
        grid *= 2
    return total


def pattern(rng, w, h):
    """Stripes, checks, tiles or a lattice, straight or slanted."""
    a = colour(rng)
    b = near(rng, a, rng.uniform(8, 90))
    angle, period = rng.uniform(0, np.pi), rng.uniform(7, 70)
    x, y = np.arange(w, dtype=np.float32), np.arange(h, dtype=np.float32)[:, None]
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    kind = rng.integers(4)
    if kind == 0:
        t = (np.mod(u, period) < period * rng.uniform(0.2, 0.8)).astype(np.float32)
    elif kind == 1:
        t = np.sin(u * 2 * np.pi / period) * 0.5 + 0.5
    elif kind == 2:
        t = np.mod(np.floor(u / period) + np.floor(v / period), 2)
    else:
        line = rng.uniform(0.05, 0.2) * period
        t = ((np.mod(u, period) < line) | (np.mod(v, period) < line)).astype(np.float32)
    return (a + (b - a) * t[..., None]).astype(np.float32)


def rgb(c):
    return tuple(int(v) for v in np.clip(c, 0, 255))


def clutter(rng, w, h):
    """Lines, curves, blots, words, thin boxes: much to see, nothing to find."""
    under = (flat, gradient, noise)[rng.integers(3)](rng, w, h)
    image = Image.fromarray(np.clip(under, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 26))):
        kind, c = rng.integers(6), rgb(colour(rng))
        x, y = rng.uniform(-0.1, 1.1) * w, rng.uniform(-0.1, 1.1) * h
        if kind == 0:
            draw.line([x, y, rng.uniform(0, w), rng.uniform(0, h)], fill=c, width=int(rng.integers(1, 9)))
        elif kind == 1:
            steps = rng.normal(0, 22, (int(rng.integers(3, 9)), 2)).cumsum(0) + (x, y)
            draw.line([tuple(p) for p in steps], fill=c, width=int(rng.integers(1, 6)), joint="curve")
        elif kind == 2:
            text = "".join(LETTERS[i] for i in rng.integers(0, len(LETTERS), int(rng.integers(1, 10))))
            draw.text((x, y), text, fill=c, font=font(rng, int(rng.integers(8, 60))))
        elif kind == 3:
            draw.arc([x - 60, y - 40, x + 60, y + 50], int(rng.integers(0, 360)), int(rng.integers(20, 200)), fill=c,
                     width=int(rng.integers(1, 6)))
        elif kind == 4:  # a rod: too long for a square
            length, thick = rng.uniform(40, 160), rng.uniform(3, 12)
            box = [x, y, x + length, y + thick] if rng.random() < 0.5 else [x, y, x + thick, y + length]
            draw.rectangle(box, fill=c)
        else:  # a blot without any regular outline
            t = np.sort(rng.uniform(0, 2 * np.pi, 9))
            r = rng.uniform(6, 40) * rng.uniform(0.3, 1.4, 9)
            draw.polygon([(x + a * np.cos(b), y + a * np.sin(b)) for a, b in zip(r, t)], fill=c)
    return np.asarray(image, np.float32)


def blotches(rng, w, h):
    """Like a photograph out of focus: regions with soft and hard borders, light from one side, grain."""
    k = int(rng.integers(5, 14))
    cells = np.array([colour(rng) for _ in range(k * k)]).reshape(k, k, 3)
    base = enlarge(cells, w, h, Image.BICUBIC)
    mask = enlarge(np.repeat(rng.random((k, k, 1)) * 255, 3, 2), w, h)[..., :1]
    other = enlarge(np.array([colour(rng) for _ in range(9)]).reshape(3, 3, 3), w, h)
    edge = np.clip((mask - rng.uniform(90, 165)) / rng.uniform(2, 60) + 0.5, 0, 1)
    mixed = base * rng.uniform(0.2, 0.8) + other * 0.4
    out = mixed * (1 - edge) + other * edge
    light = np.linspace(rng.uniform(0.5, 1), rng.uniform(0.9, 1.3), w if rng.random() < 0.5 else h)
    out *= light[:, None] if len(light) == w else light[:, None, None]
    return out.astype(np.float32)


FAMILIES = {"flat": flat, "gradient": gradient, "noise": noise, "pattern": pattern, "clutter": clutter,
            "blotches": blotches}
