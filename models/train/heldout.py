"""Scenes for the examination only: never trained on, and drawn by other means than scenes.py.

Backgrounds: Voronoi mosaics, interfering waves, brush strokes, brick walls. Objects: outlines of their own (rounded
squares, another heart, dotted and hand-drawn lines, hatching, glow, shadow), no shared fill or camera code.
"""
import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from shapes import LABELS

BIG = 2


def palette(rng):
    """Five colours from one hue family and its complement, as a designer would choose."""
    import colorsys
    hue = rng.random()
    out = []
    for n in range(5):
        h = (hue + (0.5 if n % 2 else 0) + rng.normal(0, 0.06)) % 1
        out.append(tuple(int(255 * v) for v in colorsys.hsv_to_rgb(h, rng.uniform(0.1, 0.9), rng.uniform(0.25, 1))))
    return out


def mosaic(rng, w, h, colours):
    seeds = rng.uniform(0, 1, (int(rng.integers(8, 40)), 2)) * (w, h)
    y, x = np.mgrid[0:h:2, 0:w:2]
    near = ((x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2).argmin(-1)
    table = np.array([colours[i % 3] for i in range(len(seeds))]) + rng.normal(0, 14, (len(seeds), 3))
    return Image.fromarray(np.clip(table[near], 0, 255).astype(np.uint8)).resize((w, h), Image.BILINEAR)


def waves(rng, w, h, colours):
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    total = np.zeros((h, w), np.float32)
    for _ in range(4):
        cx, cy, k = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.02, 0.12)
        total += np.sin(np.hypot(x - cx, y - cy) * k + rng.uniform(0, 6))
    t = (total / 8 + 0.5).clip(0, 1)[..., None]
    return Image.fromarray((np.array(colours[0]) * (1 - t) + np.array(colours[2]) * t).astype(np.uint8))


def strokes(rng, w, h, colours):
    image = Image.new("RGB", (w, h), colours[0])
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(40, 120))):
        x, y, a = rng.uniform(0, w), rng.uniform(0, h), rng.normal(0.6, 0.4)
        c = tuple(int(v + rng.normal(0, 12)) for v in colours[int(rng.integers(0, 2)) * 2])
        draw.line([x, y, x + 40 * np.cos(a), y + 40 * np.sin(a)], fill=c, width=int(rng.integers(3, 12)))
    return image.filter(ImageFilter.MedianFilter(3))


def bricks(rng, w, h, colours):
    image = Image.new("RGB", (w, h), colours[1])
    draw = ImageDraw.Draw(image)
    tall, wide = int(rng.integers(14, 30)), int(rng.integers(44, 90))
    for row in range(h // tall + 1):
        for column in range(-1, w // wide + 1):
            x = column * wide + (row % 2) * wide // 2
            c = tuple(int(v + rng.normal(0, 10)) for v in colours[0])
            draw.rectangle([x, row * tall, x + wide - 3, row * tall + tall - 3], fill=c)
    return image


def hearted(t):
    """Another heart than the one trained with: the curve x^2 + (y - sqrt|x|)^2 = 1."""
    return np.stack([np.cos(t), 0.2 - 0.9 * np.sin(t) - 0.75 * np.sqrt(np.abs(np.cos(t)))], 1)


def beads(p, gap):
    """Points along the closed outline, `gap` apart."""
    closed = np.concatenate([p, p[:1]])
    way = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    at = np.arange(0, way[-1], gap)
    return np.stack([np.interp(at, way, closed[:, 0]), np.interp(at, way, closed[:, 1])], 1)


def path(label, rng):
    """Many points along the outline in -1..1, so that it can be wobbled."""
    if label in ("circle", "ring"):
        t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        p = np.stack([np.cos(t), np.sin(t)], 1)
    elif label == "square":  # a squircle of high order: rounded corners
        t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        r = (np.abs(np.cos(t)) ** 9 + np.abs(np.sin(t)) ** 9) ** (-1 / 9)
        p = np.stack([np.cos(t) * r, np.sin(t) * r], 1)
    elif label == "heart":
        p = hearted(np.linspace(0, 2 * np.pi, 90, endpoint=False))
    else:
        corners = {
            "triangle": [(0, -1), (0.95, 0.75), (-0.95, 0.75)],
            "star": [(np.cos(a) * r, np.sin(a) * r) for a, r in
                     zip(np.arange(10) * np.pi / 5 + np.pi / 2, [1, 0.46] * 5)],
            "cross": [(-.28, -1), (.28, -1), (.28, -.3), (.9, -.3), (.9, .26), (.28, .26), (.28, 1), (-.28, 1),
                      (-.28, .26), (-.9, .26), (-.9, -.3), (-.28, -.3)],
            "arrow": [(0, -1), (.72, -.1), (.26, -.1), (.26, 1), (-.26, 1), (-.26, -.1), (-.72, -.1)],
        }[label]
        c = np.array(corners + corners[:1], float)
        p = np.concatenate([a + (b - a) * np.linspace(0, 1, 10, endpoint=False)[:, None] for a, b in zip(c, c[1:])])
    return p


def hatching(rng, size):
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    gap, thick = int(rng.integers(7, 12)), int(rng.integers(4, 6))
    for x in range(-size[1], size[0], gap):
        draw.line([x, 0, x + size[1], size[1]], fill=255, width=thick)
    return image


def add(rng, image, label, centre, half, colours):
    """Draws one object into `image` and gives its box."""
    w, h = image.size
    p = path(label, rng) * [1, rng.uniform(0.82, 1.0)]
    wobble = rng.normal(0, 0.02, (len(p), 2)) if rng.random() < 0.4 else 0
    a = rng.uniform(-0.5, 0.5) if rng.random() < 0.7 else rng.uniform(0, 6.28)
    p = (p + wobble) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) * half + centre
    mask = Image.new("L", (w * BIG, h * BIG))
    draw = ImageDraw.Draw(mask)
    points = [tuple(q * BIG) for q in p]
    style = "solid" if label == "ring" or half < 14 else ("solid", "solid", "hatch", "line", "dots")[rng.integers(5)]
    if label == "circle" and style in ("line", "dots"):
        style = "solid"
    width = max(int(half * BIG * 0.22), 3)
    if style == "line":
        draw.line(points + points[:2], fill=255, width=width, joint="curve")
    elif style == "dots":
        for x, y in beads(p * BIG, width * 1.15):
            draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=255)
    else:
        draw.polygon(points, fill=255)
    if label == "ring":
        inner = (p - centre) * rng.uniform(0.45, 0.7) + centre
        draw.polygon([tuple(q * BIG) for q in inner], fill=0)
    if style == "hatch":
        edge = Image.new("L", mask.size)
        ImageDraw.Draw(edge).line(points + points[:2], fill=255, width=max(width // 3, 2), joint="curve")
        mask = ImageChops.lighter(ImageChops.multiply(mask, hatching(rng, mask.size)), edge)
    mask = mask.resize((w, h), Image.LANCZOS)
    effect = rng.random()
    if effect < 0.25:    # shadow
        shade = ImageChops.offset(mask, 4, 5).filter(ImageFilter.GaussianBlur(3)).point(lambda v: v * 0.6)
        image.paste((0, 0, 0), (0, 0), shade)
    elif effect < 0.4:   # glow
        image.paste((255, 255, 230), (0, 0), mask.filter(ImageFilter.GaussianBlur(5)).point(lambda v: v * 0.7))
    under = np.asarray(image)[np.asarray(mask) > 128]
    under = under.mean(0) if len(under) else np.zeros(3)
    choice = [c for c in colours + [(245, 245, 245), (20, 20, 24)] if np.abs(np.array(c) - under).max() > 60]
    c = choice[int(rng.integers(len(choice)))]
    image.paste(tuple(c), (0, 0), mask)
    grown = width / 2 / BIG if style in ("line", "dots") else 0
    return np.array([*(p.min(0) - grown), *(p.max(0) + grown)])


def spoil(rng, image):
    """Vignette, posterised colours, movement, grains of salt: none of it in training."""
    p = np.asarray(image, np.float32)
    h, w, _ = p.shape
    if rng.random() < 0.4:
        y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
        p = p * (1 - 0.35 * (x * x + y * y))[..., None]
    if rng.random() < 0.25:
        p = np.floor(p / 40) * 40 + 20
    if rng.random() < 0.25:
        n = int(rng.integers(2, 5))
        p = sum(np.roll(p, s, 1) for s in range(n)) / n
    if rng.random() < 0.3:
        salt = rng.random((h, w)) < 0.01
        p = np.where(salt[..., None], rng.choice([0, 255]), p)
    return np.clip(p, 0, 255).astype(np.uint8)


def scene(rng, size=320, invert=False):
    w, h = [(size, size), (size, size * 9 // 16), (size, size * 3 // 4), (size * 3 // 4, size)][rng.integers(4)]
    colours = palette(rng)
    image = (mosaic, waves, strokes, bricks)[rng.integers(4)](rng, w, h, colours)
    boxes = []
    for _ in range(int(rng.integers(0, 6))):
        half = np.exp(rng.uniform(np.log(0.06), np.log(0.32))) * min(w, h)
        centre = rng.uniform(half * 0.8, (w - half * 0.8, h - half * 0.8))
        box = [*(centre - half), *(centre + half)]
        # Little overlap: what hides what is examined by the training family.
        if any(min(box[2], b[3]) - max(box[0], b[1]) > half * 0.5 and min(box[3], b[4]) - max(box[1], b[2]) > half * 0.5
               for b in boxes):
            continue
        kind = int(rng.integers(len(LABELS)))
        left, top, right, bottom = add(rng, image, LABELS[kind], centre, half, colours)
        boxes.append((kind, max(left, 0), max(top, 0), min(right, w), min(bottom, h)))
    p = spoil(rng, image)
    if invert:
        p = 255 - p
    out = np.full((size, size, 3), 114, np.uint8)
    dx, dy = (size - w) // 2, (size - h) // 2
    out[dy:dy + h, dx:dx + w] = p
    found = np.array(boxes, np.float32).reshape(-1, 5)
    found[:, 1:] += [dx, dy, dx, dy]
    return out, found
