"""Training scenes: a background, distractors and objects drawn over one another, then a bad camera.

`scene(rng, size)` gives a uint8 picture [size, size, 3] as the network will see it (letterboxed with 114 where the
picture is not square) and its objects as an array of (class, left, top, right, bottom).
"""
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import backgrounds
import shapes
from backgrounds import colour, rgb

PAD = 114
VISIBLE = 0.45   # an object that shows less than this of its area is not put there
OVER = 3         # supersampling of masks
WEIGHTS = {"flat": 1, "gradient": 1.3, "noise": 1.2, "pattern": 1, "clutter": 1.8, "blotches": 1.8}


def mask_of(rings, w, h, stroke=0):
    """Anti-aliased coverage of the rings as (mask in 0..1, x0, y0), cut to the picture; None if it lies outside."""
    left, top, right, bottom = shapes.bounds(rings)
    grow = stroke / 2 + 1
    x0, y0 = max(int(left - grow), 0), max(int(top - grow), 0)
    x1, y1 = min(int(right + grow) + 2, w), min(int(bottom + grow) + 2, h)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return None
    over = OVER if max(x1 - x0, y1 - y0) < 130 else 2
    image = Image.new("L", ((x1 - x0) * over, (y1 - y0) * over))
    draw = ImageDraw.Draw(image)
    for n, ring in enumerate(rings):
        points = [(float(p[0] - x0) * over, float(p[1] - y0) * over) for p in ring]
        if stroke:
            draw.line(points + points[:2], fill=255, width=max(int(stroke * over), 1), joint="curve")
        else:
            draw.polygon(points, fill=0 if n else 255)
    small = image.resize((x1 - x0, y1 - y0), Image.BOX)
    return np.asarray(small, np.float32) / 255, x0, y0


def warp(rng, rings):
    """A mild perspective on unit outlines."""
    if rng.random() < 0.6:
        return rings
    px, py = rng.uniform(-0.22, 0.22, 2)
    return [ring / (1 + ring[:, :1] * px + ring[:, 1:] * py) for ring in rings]


def contrasting(rng, under):
    """A colour that can be told from what lies under it; at times only just."""
    least = rng.choice([22, 40, 70], p=[0.25, 0.35, 0.4])
    for _ in range(12):
        c = colour(rng)
        if np.abs(c - under).max() > least and np.abs(c - under).mean() > least * 0.5:
            return c
    return np.where(under > 127, under - 90, under + 90)


def paint(rng, canvas, mask, x0, y0, base):
    """Fills the mask: plain, gradient or texture, now and then half transparent."""
    h, w = mask.shape
    patch = canvas[y0:y0 + h, x0:x0 + w]
    kind = rng.random()
    if kind < 0.5:
        fill = base
    elif kind < 0.75:
        other = base + rng.normal(0, 40, 3)
        angle = rng.uniform(0, 2 * np.pi)
        t = (np.linspace(-.5, .5, w) * np.cos(angle) + np.linspace(-.5, .5, h)[:, None] * np.sin(angle) + .5)[..., None]
        fill = base * (1 - t) + other * t
    else:
        texture = backgrounds.FAMILIES[("noise", "pattern", "blotches")[rng.integers(3)]](rng, w, h)
        fill = base + (texture - texture.mean((0, 1))) * rng.uniform(0.1, 0.45)
    alpha = mask[..., None] * (rng.uniform(0.55, 0.9) if rng.random() < 0.15 else 1)
    patch += (np.clip(fill, 0, 255) - patch) * alpha


def distractor(rng):
    """Outlines that are none of the classes."""
    kind = rng.integers(7)
    if kind == 0:    # a long ellipse
        return [shapes._arc() * [1, rng.uniform(0.15, 0.42)]]
    if kind == 1:    # a long box
        return [shapes.outline("square")[0] * [1, rng.uniform(0.1, 0.33)]]
    if kind == 2:    # five or six corners
        t = np.arange(n := int(rng.integers(5, 7))) * 2 * np.pi / n
        return [np.stack([np.cos(t), np.sin(t)], 1)]
    if kind == 3:    # half moon
        t = np.linspace(0, np.pi, 20)
        return [np.stack([np.cos(t), np.sin(t) * rng.uniform(0.7, 1)], 1)]
    if kind == 4:    # crescent
        t = np.linspace(0, np.pi, 20)
        outer, inner = np.stack([np.cos(t), np.sin(t)], 1), np.stack([np.cos(t), np.sin(t) * rng.uniform(.2, .6)], 1)
        return [np.concatenate([outer, inner[::-1]])]
    if kind == 5:    # an L
        a = rng.uniform(0.3, 0.6)
        return [np.array([[-1, -1], [-1 + a, -1], [-1 + a, 1 - a], [1, 1 - a], [1, 1], [-1, 1]])]
    t = np.sort(rng.uniform(0, 2 * np.pi, 8))  # a splinter
    return [np.stack([np.cos(t), np.sin(t)], 1) * rng.uniform(0.2, 1, 8)[:, None]]


def blocks(rng, canvas):
    """A row of light and dark blocks, like the code in our fixtures: not squares to be found."""
    h, w, _ = canvas.shape
    size = int(rng.integers(8, 20))
    x, y = (0, 0) if rng.random() < 0.5 else (int(rng.integers(0, w // 2)), int(rng.integers(0, h - size)))
    dark, light = (0, 255) if rng.random() < 0.7 else (colour(rng), colour(rng))
    for n in range(16):
        canvas[y:y + size, x + n * size:x + (n + 1) * size] = light if rng.random() < 0.4 else dark


def put(rng, canvas, owner, rings, number, stroke=0.0, fill=True):
    """Draws one thing unless it would hide an object too much. `owner` says which object each pixel shows."""
    h, w, _ = canvas.shape
    got = mask_of(rings, w, h, 0 if fill else stroke)
    if got is None:
        return False
    mask, x0, y0 = got
    part = owner[y0:y0 + mask.shape[0], x0:x0 + mask.shape[1]]
    solid = mask > 0.5
    for other in np.unique(part[solid]):
        if other > 0 and (owner == other).sum() - (part[solid] == other).sum() < VISIBLE * put.area[other]:
            return False
    part[solid] = number
    under = canvas[y0:y0 + mask.shape[0], x0:x0 + mask.shape[1]][solid]
    base = contrasting(rng, under.mean(0) if len(under) else np.full(3, 127.0))
    paint(rng, canvas, mask, x0, y0, base)
    if fill and stroke:  # a border of another colour
        edge = mask_of(rings, w, h, stroke)
        paint(rng, canvas, *edge, contrasting(rng, base))
    return True


def area_of(ring):
    x, y = ring[:, 0], ring[:, 1]
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def add_object(rng, canvas, owner, number, scale):
    h, w, _ = canvas.shape
    label = shapes.LABELS[rng.integers(len(shapes.LABELS))]
    rings = shapes.outline(label, rng)
    half = np.exp(rng.uniform(np.log(0.035), np.log(0.45))) * scale
    round_one = label in ("circle", "ring", "square")
    squeeze = rng.uniform(0.76, 1.0) if round_one else rng.uniform(0.62, 1.0)
    size = np.array([half, half * squeeze]) if rng.random() < 0.5 else np.array([half * squeeze, half])
    outlined = label not in ("circle", "ring") and rng.random() < 0.25 and half > 10
    stroke = rng.uniform(0.1, 0.3) * half if outlined else 0.0
    if not outlined and label != "ring" and rng.random() < 0.15 and half > 12:
        stroke = rng.uniform(0.06, 0.2) * half
    centre = np.array([rng.uniform(-0.02, 1.02) * w, rng.uniform(-0.02, 1.02) * h])
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.7 else rng.normal(0, 0.12)
    rings = shapes.place(warp(rng, rings), centre, size, angle)
    left, top, right, bottom = shapes.bounds(rings)
    if stroke:
        left, top, right, bottom = left - stroke / 2, top - stroke / 2, right + stroke / 2, bottom + stroke / 2
    box = np.array([max(left, 0), max(top, 0), min(right, w), min(bottom, h)])
    inside = max(box[2] - box[0], 0) * max(box[3] - box[1], 0)
    if inside < 0.6 * (right - left) * (bottom - top):  # too far over the border to be named
        return None
    if label == "ring":
        # The hole shows the background, so the ring is painted as coverage of outer minus inner (mask_of does that).
        full = area_of(rings[0]) - area_of(rings[1])
    else:
        full = area_of(rings[0]) if not outlined else 2 * (half + half) * stroke * 2
    put.area[number] = full * inside / ((right - left) * (bottom - top) + 1e-6)
    if not put(rng, canvas, owner, rings, number, stroke, not outlined):
        return None
    return np.array([shapes.LABELS.index(label), *box])


put.area = {}


def camera(rng, canvas):
    """What lenses, sensors and codecs do."""
    if rng.random() < 0.22:
        canvas = 255 - canvas
    if rng.random() < 0.5:
        canvas = (canvas - 127) * rng.uniform(0.45, 1.3) + 127 + rng.uniform(-45, 45)
    if rng.random() < 0.4:
        canvas = canvas * rng.uniform(0.75, 1.2, 3)
    if rng.random() < 0.1:
        canvas = np.repeat(canvas.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.35:
        canvas = canvas + rng.normal(0, rng.uniform(2, 22), (*canvas.shape[:2], 1 if rng.random() < 0.5 else 3))
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    w, h = image.size
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 2.2)))
    elif rng.random() < 0.2:
        f = rng.uniform(0.4, 0.9)
        image = image.resize((int(w * f), int(h * f)), Image.BILINEAR).resize((w, h), Image.BILINEAR)
    if rng.random() < 0.4:
        memory = io.BytesIO()
        image.save(memory, "JPEG", quality=int(rng.integers(18, 92)))
        image = Image.open(memory).convert("RGB")
    return image


def letterboxed(rng, size):
    """The picture's size inside the square and where it lies."""
    if rng.random() < 0.4:
        return size, size, 0, 0
    ratio = rng.choice([16 / 9, 4 / 3, 9 / 16, 3 / 4, rng.uniform(0.5, 2.0)], p=[0.4, 0.25, 0.12, 0.08, 0.15])
    w, h = (size, round(size / ratio)) if ratio >= 1 else (round(size * ratio), size)
    return w, h, (size - w) // 2, (size - h) // 2


def finish(image, objects, size, dx, dy):
    out = np.full((size, size, 3), PAD, np.uint8)
    out[dy:dy + image.height, dx:dx + image.width] = np.asarray(image)
    found = np.array(objects, np.float32).reshape(-1, 5)
    found[:, 1:] += [dx, dy, dx, dy]
    return out, found


def scene(rng, size=320, family=None):
    w, h, dx, dy = letterboxed(rng, size)
    names = list(WEIGHTS)
    weights = np.array([WEIGHTS[n] for n in names])
    name = family or names[rng.choice(len(names), p=weights / weights.sum())]
    canvas = np.clip(backgrounds.FAMILIES[name](rng, w, h), 0, 255).astype(np.float32)
    owner = np.zeros((h, w), np.int8)
    put.area = {}
    scale = min(w, h)
    for _ in range(rng.poisson(1.3)):  # behind the objects, later ones also in front
        half = np.exp(rng.uniform(np.log(0.04), np.log(0.3))) * scale
        rings = shapes.place(distractor(rng), (rng.uniform(0, w), rng.uniform(0, h)), np.array([half, half]),
                             rng.uniform(0, 6.28))
        put(rng, canvas, owner, rings, 0, rng.uniform(0.05, 0.12) * half, rng.random() < 0.75)
    if rng.random() < 0.08:
        blocks(rng, canvas)
    objects = []
    count = 0 if rng.random() < 0.08 else int(rng.integers(1, 8))
    for number in range(1, count + 1):
        got = add_object(rng, canvas, owner, number, scale)
        if got is not None:
            objects.append(got)
        if rng.random() < 0.12:  # a rod in front of what is there
            length, thick = rng.uniform(0.1, 0.5) * scale, rng.uniform(0.006, 0.03) * scale
            rod = shapes.place(shapes.outline("square"), (rng.uniform(0, w), rng.uniform(0, h)),
                               np.array([length, thick]), rng.uniform(0, 6.28))
            put(rng, canvas, owner, rod, 0)
    return finish(camera(rng, canvas), objects, size, dx, dy)
