#!/usr/bin/env python3
"""Draws a trainer's log.jsonl as a picture, one panel for each figure:  curves.py LOG.jsonl OUT.png"""
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 240, 52, 24, 24
INK, GRID, LINE = (40, 40, 40), (225, 225, 225), (20, 100, 200)


def panel(draw, origin, name, points):
    """One figure over the epochs, with its last value."""
    x0, y0 = origin[0] + LEFT, origin[1] + TOP
    w, h = WIDTH - LEFT - 16, HEIGHT - TOP - BOTTOM
    first, last = points[0][0], max(points[-1][0], points[0][0] + 1)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    high = high if high > low else low + 1
    for k in range(5):
        y, value = y0 + h * (1 - k / 4), low + (high - low) * k / 4
        draw.line([x0, y, x0 + w, y], fill=GRID)
        draw.text((origin[0] + 4, y - 6), f"{value:.3g}", fill=INK)
    draw.text((x0, y0 + h + 6), str(first), fill=INK)
    draw.text((x0 + w - 50, y0 + h + 6), f"epoch {last}", fill=INK)
    draw.text((x0, origin[1] + 6), f"{name}: {points[-1][1]:.4g}", fill=INK)
    spots = [(x0 + w * (x - first) / (last - first), y0 + h * (1 - (y - low) / (high - low))) for x, y in points]
    draw.line(spots + spots[-1:], fill=LINE, width=2)


def drawn(rows):
    names = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("epoch", "minutes")]
    columns = min(3, len(names))
    image = Image.new("RGB", (WIDTH * columns, HEIGHT * -(-len(names) // columns)), "white")
    draw = ImageDraw.Draw(image)
    for k, name in enumerate(names):
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        panel(draw, (k % columns * WIDTH, k // columns * HEIGHT), name, points)
    return image


if __name__ == "__main__":
    drawn([json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]).save(sys.argv[2])
