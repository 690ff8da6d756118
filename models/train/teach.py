#!/usr/bin/env python3
"""Lets a COCO detector look at the training pictures, for the labels that they lack.

    pip install onnxruntime numpy opencv-python-headless   # Python 3.11 or newer
    nice -n 19 python3 models/train/teach.py DATA yolox_nano.onnx --out DATA/teacher

DATA is a folder as data.py reads it (train/images, val/images). Each picture is seen whole, mirrored, and in four
overlapping parts, enlarged, for what is small. OUT/<split>/<stem>.txt gets `class cx cy w h score` (COCO's class
numbers, 0..1), from score 0.1. Pictures that are done are left alone, so the same command goes on after a cut.
"""
import argparse
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from boxes import overlaps, suppress
from progress import Bar

LEAST = 0.1
PART = 0.62   # side of a part, as a share of the picture's
TRUST = 0.9   # a box that only a part shows counts a little less


class Teacher:
    """YOLOX: BGR 0..255, the picture at the top left, padded with 114, boxes relative to the grid's cells."""

    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        self.size = self.input.shape[2]
        cells = [(x, y, s) for s in (8, 16, 32) for y in range(self.size // s) for x in range(self.size // s)]
        self.grid = np.array(cells, np.float32)

    def look(self, picture):
        """Rows (class, score, left, top, right, bottom) in the picture's pixels, best first, none double."""
        h, w, _ = picture.shape
        scale = min(self.size / w, self.size / h)
        square = np.full((self.size, self.size, 3), 114, np.uint8)
        small = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_LINEAR)
        square[:small.shape[0], :small.shape[1]] = small
        out = self.session.run(None, {self.input.name: square.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        scores = out[:, 4:5] * out[:, 5:]
        cell, kind = np.nonzero(scores > LEAST)
        stride = self.grid[cell, 2:]
        centre = (out[cell, :2] + self.grid[cell, :2]) * stride
        half = np.exp(out[cell, 2:4]) * stride / 2
        corners = np.concatenate([centre - half, centre + half], 1) / scale
        corners = corners.clip(0, [w, h, w, h])
        return suppress(np.concatenate([kind[:, None], scores[cell, kind][:, None], corners], 1), 0.6)


def parts(w, h):
    """Left, top, width, height of the four overlapping parts."""
    pw, ph = round(w * PART), round(h * PART)
    return [(x, y, pw, ph) for y in (0, h - ph) for x in (0, w - pw)]


def views(teacher, picture):
    """What each view shows, in the whole picture's pixels: whole, mirrored, and the parts together."""
    h, w, _ = picture.shape
    mirrored = teacher.look(np.ascontiguousarray(picture[:, ::-1]))
    mirrored[:, [2, 4]] = w - mirrored[:, [4, 2]]
    small = []
    for x, y, pw, ph in parts(w, h):
        rows = teacher.look(np.ascontiguousarray(picture[y:y + ph, x:x + pw])) + [0, 0, x, y, x, y]
        # What a part cuts off is seen better as a whole.
        cut = ((rows[:, 2] < x + 3) & (x > 0)) | ((rows[:, 3] < y + 3) & (y > 0))
        cut |= ((rows[:, 4] > x + pw - 3) & (x + pw < w)) | ((rows[:, 5] > y + ph - 3) & (y + ph < h))
        small.append(rows[~cut])
    return teacher.look(picture), mirrored, suppress(np.concatenate(small), 0.6)


def fuse(whole, mirrored, small, iou=0.55):
    """One row for each object: boxes averaged by score; the score is the mean of whole and mirrored, or the parts'."""
    every = [np.concatenate([rows, np.full((len(rows), 1), k)], 1) for k, rows in enumerate((whole, mirrored, small))]
    every = np.concatenate(every)
    every = every[np.argsort(-every[:, 1], kind="stable")]
    out = []
    while len(every):
        one = (every[:, 0] == every[0, 0]) & (overlaps(every[0, 2:6], every[:, 2:6]) > iou)
        group, every = every[one], every[~one]
        best = [group[group[:, 6] == k, 1].max(initial=0.0) for k in range(3)]
        box = (group[:, 2:6] * group[:, 1:2]).sum(0) / group[:, 1].sum()
        out.append([group[0, 0], max((best[0] + best[1]) / 2, best[2] * TRUST), *box])
    return np.array(out).reshape(-1, 6)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data", type=Path)
    args.add_argument("model", type=Path)
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--few", type=int, help="only so many pictures of each split")
    args = args.parse_args()
    teacher = Teacher(args.model, args.threads)
    for split in ("train", "val"):
        (args.out / split).mkdir(parents=True, exist_ok=True)
        paths = sorted((args.data / split / "images").glob("*.jpg"))[:args.few]
        bar = Bar(split, len(paths))
        for k, path in enumerate(paths):
            target = args.out / split / f"{path.stem}.txt"
            if not target.exists():
                picture = cv2.imread(str(path))
                h, w, _ = picture.shape
                lines = []
                for kind, score, left, top, right, bottom in fuse(*views(teacher, picture)):
                    if score >= LEAST:
                        box = (left + right) / 2 / w, (top + bottom) / 2 / h, (right - left) / w, (bottom - top) / h
                        lines.append(f"{int(kind)} " + " ".join(f"{v:.5f}" for v in box) + f" {score:.3f}\n")
                target.write_text("".join(lines))
            bar.show(k + 1)


if __name__ == "__main__":
    main()
