"""How a photograph is changed each time it is shown: several in one, mirrored, scaled, recoloured, blurred, compressed.

Boxes are rows (class, left, top, right, bottom, score) as in data.py; here lengths are pixels of the sample.
"""
import cv2
import numpy as np

from data import UNKNOWN

PAD = 114
VISIBLE = 0.25   # an object of which less shows is unknown
LEAST = 4        # pixels; smaller ones too


def placed(canvas, picture, rows, area, corner, scale, smooth=True):
    """Draws the picture, `scale` times as large, with its top left at `corner`, inside `area` of the canvas; gives the
    rows that show, in the canvas's pixels. What serves the model may shrink by bilinear taps alone, which leaves out
    pixels: `smooth` averages them."""
    left, top, right, bottom = area
    h, w = picture.shape[0] * scale[1], picture.shape[1] * scale[0]
    matrix = np.array([[scale[0], 0, corner[0] - left], [0, scale[1], corner[1] - top]])
    if scale[0] < 0.75 and smooth:
        picture = cv2.resize(picture, (max(1, round(w)), max(1, round(h))), interpolation=cv2.INTER_AREA)
        matrix[0, 0] = matrix[1, 1] = 1.0
    canvas[top:bottom, left:right] = cv2.warpAffine(picture, matrix, (right - left, bottom - top),
                                                    borderMode=cv2.BORDER_CONSTANT, borderValue=(PAD,) * 3)
    rows = rows.copy()
    rows[:, 1:5] = rows[:, 1:5] * [w, h, w, h] + [*corner, *corner]
    whole = (rows[:, 3] - rows[:, 1]) * (rows[:, 4] - rows[:, 2])
    rows[:, 1:5] = rows[:, 1:5].clip([left, top] * 2, [right, bottom] * 2)
    sides = rows[:, 3:5] - rows[:, 1:3]
    rows = rows[sides.min(1) > 1]
    share = sides[sides.min(1) > 1].prod(1) / whole[sides.min(1) > 1].clip(1e-6)
    rows[(share < VISIBLE) | ((rows[:, 3:5] - rows[:, 1:3]).min(1) < LEAST), 0] = UNKNOWN
    return rows


def mirrored(picture, rows):
    rows = rows.copy()
    rows[:, [1, 3]] = 1 - rows[:, [3, 1]]
    return picture[:, ::-1], rows


def relative(picture, rows):
    """Rows of pixels as rows of shares."""
    h, w, _ = picture.shape
    rows = rows.copy()
    rows[:, 1:5] /= [w, h, w, h]
    return picture, rows


def single(rng, picture, rows, size, strong=True):
    """One picture somewhere in the sample, larger or smaller than it."""
    canvas = np.empty((size, size, 3), np.uint8)
    h, w, _ = picture.shape
    fit = size / max(h, w)
    scale = fit * (np.exp(rng.uniform(np.log(0.35), np.log(1.6))) if strong else rng.uniform(0.9, 1.1))
    stretch = np.exp(rng.uniform(-0.15, 0.15)) if strong else 1.0
    scale = scale * stretch, scale / stretch
    free = size - w * scale[0], size - h * scale[1]
    corner = [f * rng.uniform(0, 1) for f in free]
    return canvas, placed(canvas, picture, rows, (0, 0, size, size), corner, scale, rng.random() < 0.5)


def mosaic(rng, pick, size, nested=0.15):
    """Four pictures around a point; `pick` gives the next (picture, rows). Each is with the probability `nested` such a
    mosaic itself: the photographs show objects from near, and a model must know them from afar too."""
    canvas = np.empty((size, size, 3), np.uint8)
    x, y = (int(v) for v in rng.uniform(0.3, 0.7, 2) * size)
    every = []
    for area in ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)):
        picture, rows = relative(*mosaic(rng, pick, size, 0.0)) if rng.random() < nested else pick()
        if rng.random() < 0.5:
            picture, rows = mirrored(picture, rows)
        h, w, _ = picture.shape
        aw, ah = area[2] - area[0], area[3] - area[1]
        # Between the whole picture in its quarter and a quarter full of a part of it.
        scale = max(aw / w, ah / h) * np.exp(rng.uniform(np.log(0.8), np.log(2.0)))
        stretch = np.exp(rng.uniform(-0.15, 0.15))
        scale = scale * stretch, scale / stretch
        corner = area[0] + (aw - w * scale[0]) * rng.random(), area[1] + (ah - h * scale[1]) * rng.random()
        every.append(placed(canvas, picture, rows, area, corner, scale, rng.random() < 0.5))
    return canvas, np.concatenate(every)


def recoloured(rng, picture):
    """Hue, saturation and brightness; at times grey."""
    hue, saturation, value = rng.uniform(-1, 1, 3) * [0.015, 0.6, 0.4] + [0, 1, 1]
    steps = np.arange(256)
    tables = [(steps + hue * 180) % 180, (steps * saturation).clip(0, 255), (steps * value).clip(0, 255)]
    parts = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV))
    changed = cv2.merge([cv2.LUT(p, t.astype(np.uint8)) for p, t in zip(parts, tables)])
    picture = cv2.cvtColor(changed, cv2.COLOR_HSV2RGB)
    if rng.random() < 0.04:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return picture


def bad_camera(rng, picture):
    """Now and then what a camera or a codec does: blur, moved blur, noise, compression."""
    if rng.random() < 0.06:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.8))
    elif rng.random() < 0.04:
        kernel = np.zeros((7, 7), np.float32)
        kernel[3] = 1 / 7
        turn = cv2.getRotationMatrix2D((3, 3), rng.uniform(0, 180), 1)
        picture = cv2.filter2D(picture, -1, cv2.warpAffine(kernel, turn, (7, 7)))
    if rng.random() < 0.05:
        noise = rng.normal(0, rng.uniform(3, 14), picture.shape)
        picture = (picture + noise).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.12:
        packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 80))])[1]
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return picture


def arranged(rng, pick, size, several):
    """A sample, uint8 [size, size, 3] RGB, and its rows; with the probability `several` of four pictures."""
    if rng.random() < several:
        return mosaic(rng, pick, size)
    picture, rows = pick()
    if rng.random() < 0.5:
        picture, rows = mirrored(picture, rows)
    return single(rng, picture, rows, size, strong=several > 0)


def spoilt(rng, picture):
    """Other colours, and what cameras do."""
    return bad_camera(rng, recoloured(rng, picture))


def letterboxed(picture, size):
    """The whole picture in the middle of a square, as the service scales it, and (scale, dx, dy) that led there."""
    h, w, _ = picture.shape
    scale = min(size / w, size / h)
    sw, sh = round(w * scale), round(h * scale)
    square = np.full((size, size, 3), PAD, np.uint8)
    dx, dy = (size - sw) // 2, (size - sh) // 2
    square[dy:dy + sh, dx:dx + sw] = picture if (sw, sh) == (w, h) else cv2.resize(picture, (sw, sh))
    return square, (scale, dx, dy)
