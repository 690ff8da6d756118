"""The second held-out family: pictures with the statistics of photographs, drawn by Skia, spoilt like a phone's.

Backgrounds are dead leaves (opaque blobs of all sizes, one over another, each with its own 1/f texture), smooth depth
and slanted light: what is known to give edges and spectra like those of photographs. They are still not photographs.
Objects are Skia paths (true circles, strokes, Bezier hearts), lit and blurred with the picture. Then defocus, shot
noise, a blue or yellow cast and JPEG. Nothing but the labels is shared with what scenes are trained on.

    pip install skia-python
"""
import io

import numpy as np
import skia
from PIL import Image, ImageFilter

from shapes import LABELS


def spectrum(rng, w, h, slope):
    """Noise whose amplitude falls as 1 / f^slope, mean 0, deviation 1."""
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)
    f = np.hypot(fx, fy)
    f[0, 0] = 1
    wave = (rng.normal(size=f.shape) + 1j * rng.normal(size=f.shape)) / f ** slope
    wave[0, 0] = 0
    field = np.fft.irfft2(wave, (h, w))
    return (field / field.std()).astype(np.float32)


def earthy(rng):
    """A colour as surfaces have it: mostly dull."""
    grey = rng.uniform(25, 215)
    return np.clip(grey + rng.normal(0, 1, 3) * rng.choice([8, 25, 55], p=[0.5, 0.35, 0.15]), 0, 255)


def leaves(rng, w, h):
    out = np.zeros((h, w, 3), np.float32) + earthy(rng)
    out += spectrum(rng, w, h, 1.2)[..., None] * rng.uniform(4, 22)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    bend = spectrum(rng, w, h, 1.8) * rng.uniform(0.15, 0.4)  # makes every outline irregular
    for _ in range(int(rng.integers(5, 45))):
        r = min(0.03 / rng.random() ** 0.5, 0.5) * w          # sizes by a power law
        u, v, a = x - rng.uniform(0, w), y - rng.uniform(0, h), rng.uniform(0, np.pi)
        along, across = u * np.cos(a) + v * np.sin(a), v * np.cos(a) - u * np.sin(a)
        away = np.hypot(along, across * rng.uniform(1.7, 4)) / r + np.roll(bend, rng.integers(0, w), 1)
        cover = np.clip((1 - away) * r / rng.uniform(1, 8) + 0.5, 0, 1)[..., None]
        if cover.max() > 0:
            texture = np.roll(bend, rng.integers(0, h), 0)[..., None] * rng.uniform(10, 70)
            out += (earthy(rng) + texture - out) * cover
    return out


def silhouette(label, rng):
    """A Skia path about (0, 0), about 2 by 2."""
    p = skia.Path()
    if label in ("circle", "ring"):
        p.addCircle(0, 0, 1)
        if label == "ring":
            p.addCircle(0, 0, rng.uniform(0.5, 0.75))
            p.setFillType(skia.PathFillType.kEvenOdd)
    elif label == "square":
        soft = rng.choice([0, 0.12])
        p.addRRect(skia.RRect.MakeRectXY(skia.Rect(-0.9, -0.9, 0.9, 0.9), soft, soft))
    elif label == "heart":
        p.moveTo(0, -0.55)
        p.cubicTo(0.25, -1.15, 1.1, -1.05, 1, -0.3)
        p.cubicTo(0.93, 0.2, 0.35, 0.5, 0, 0.95)
        p.cubicTo(-0.35, 0.5, -0.93, 0.2, -1, -0.3)
        p.cubicTo(-1.1, -1.05, -0.25, -1.15, 0, -0.55)
        p.close()
    else:
        turn = np.arange(10) * np.pi / 5 - np.pi / 2
        arm, head = rng.uniform(0.24, 0.34), rng.uniform(0.6, 0.85)
        corners = {
            "triangle": [(0, -1), (0.98, 0.72), (-0.98, 0.72)],
            "star": [(np.cos(t) * r, np.sin(t) * r) for t, r in zip(turn, [1, rng.uniform(0.38, 0.5)] * 5)],
            "cross": [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm), (arm, 1), (-arm, 1),
                      (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)],
            "arrow": [(-1, -0.22), (0.1, -0.22), (0.1, -head), (1, 0), (0.1, head), (0.1, 0.22), (-1, 0.22)],
        }[label]
        p.addPoly([skia.Point(float(a), float(b)) for a, b in corners], True)
    return p


def camera(rng, out):
    h, w, _ = out.shape
    t = rng.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, h)[:, None], np.linspace(-1, 1, w)
    out = out * (1 + rng.uniform(0, 0.35) * (x * np.cos(t) + y * np.sin(t)))[..., None]
    out = out * (1 + np.array([1, 0, -1]) * rng.uniform(-0.15, 0.15)) * rng.uniform(0.6, 1.15)
    image = Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    p = np.asarray(image, np.float32)
    if rng.random() < 0.7:  # shot noise: more where it is bright
        p = p + rng.normal(0, 1, p.shape) * np.sqrt(np.maximum(p, 0) + 8) * rng.uniform(0.2, 1.0)
    image = Image.fromarray(np.clip(p, 0, 255).astype(np.uint8))
    if rng.random() < 0.7:
        memory = io.BytesIO()
        image.save(memory, "JPEG", quality=int(rng.integers(25, 90)))
        image = Image.open(memory).convert("RGB")
    return np.asarray(image)


def scene(rng, size=320):
    w, h = [(size, size), (size, size * 9 // 16), (size, size * 3 // 4), (size * 3 // 4, size)][rng.integers(4)]
    out = leaves(rng, w, h)
    rows = []
    for _ in range(int(rng.integers(0, 6))):
        half = np.exp(rng.uniform(np.log(0.06), np.log(0.32))) * min(w, h)
        centre = rng.uniform(half * 0.9, (w - half * 0.9, h - half * 0.9))
        if any(np.abs(np.array([(r[1] + r[3]) / 2, (r[2] + r[4]) / 2]) - centre).max() < half + (r[3] - r[1]) / 2
               for r in rows):
            continue
        kind = int(rng.integers(len(LABELS)))
        turned = skia.Matrix()
        turned.preTranslate(*map(float, centre))
        turned.preRotate(float(rng.normal(0, 15) if rng.random() < 0.6 else rng.uniform(0, 360)))
        turned.preScale(float(half), float(half * rng.uniform(0.8, 1)))
        path = silhouette(LABELS[kind], rng)
        path.transform(turned)
        surface = skia.Surface(w, h)
        with surface as canvas:
            canvas.drawPath(path, skia.Paint(AntiAlias=True, Color=skia.ColorWHITE))
        cover = surface.makeImageSnapshot().toarray()[..., :1].astype(np.float32) / 255
        under = (out * cover).sum((0, 1)) / max(cover.sum(), 1)
        tried = [c for c in rng.uniform(0, 255, (40, 3)) if np.abs(c - under).max() > 60]
        colour = tried[0] if tried else 255 - under
        texture = spectrum(rng, w, h, 1.3)[..., None] * rng.uniform(0, 18)
        out += (np.clip(colour + texture, 0, 255) - out) * cover
        edge = path.computeTightBounds()
        rows.append((kind, max(edge.left(), 0), max(edge.top(), 0), min(edge.right(), w), min(edge.bottom(), h)))
    square = np.full((size, size, 3), 114, np.uint8)
    dx, dy = (size - w) // 2, (size - h) // 2
    square[dy:dy + h, dx:dx + w] = camera(rng, out)
    found = np.array(rows, np.float32).reshape(-1, 5)
    found[:, 1:] += [dx, dy, dx, dy]
    return square, found
