#!/usr/bin/env python3
"""Examines a model on fresh scenes of each background, on two held-out families, and on fixtures/.

    pip install onnxruntime numpy pillow opencv-python-headless skia-python   # Python 3.11; ffmpeg for videos
    nice -n 19 python3 models/train/evaluate_shapes.py fixtures/models/shapes [--scenes 300] [--sweep]

A detection is right when its label is right and it overlaps an object not yet found by IoU 0.5 or more. AP50 is the
area under the interpolated precision-recall curve, mean over the classes, from score 0.01. Seeds differ from those of
training.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import backgrounds
import heldout
import peer
import photolike
import scenes
import shapes
from boxes import overlaps

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fixtures"))
import make_shapes  # noqa: E402


def match(found, truth, iou=0.5):
    """For each detection its IoU if it is right, else 0; best score first."""
    free, right = np.ones(len(truth), bool), []
    for row in found:
        if len(truth) == 0:
            right.append(0.0)
            continue
        fit = overlaps(row[2:], truth[:, 1:]) * free * (truth[:, 0] == row[0])
        best = int(fit.argmax())
        right.append(float(fit[best]) if fit[best] >= iou else 0.0)
        if right[-1]:
            free[best] = False
    return right


def average_precision(scores, right, total):
    if total == 0:
        return None
    order = np.argsort(-np.array(scores), kind="stable")
    hits = np.array(right, float)[order]
    recall, precision = hits.cumsum() / total, hits.cumsum() / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(np.concatenate([[0], recall])) * precision).sum())


class Tally:
    def __init__(self):
        self.rows, self.objects, self.pictures = [], [], 0

    def add(self, found, truth):
        for row, fit in zip(found, match(found, truth)):
            self.rows.append((int(row[0]), row[1], fit > 0, fit))
        self.objects += [int(t[0]) for t in truth]
        self.pictures += 1

    def at(self, score):
        kept = [r for r in self.rows if r[1] >= score]
        hits = sum(r[2] for r in kept)
        return hits / max(len(kept), 1), hits / max(len(self.objects), 1)

    def fit(self, score):
        """Mean IoU of the right ones."""
        kept = [r[3] for r in self.rows if r[1] >= score and r[2]]
        return float(np.mean(kept)) if kept else 0.0

    def ap(self):
        each = []
        for c in range(len(shapes.LABELS)):
            rows = [r for r in self.rows if r[0] == c]
            each.append(average_precision([r[1] for r in rows], [r[2] for r in rows], self.objects.count(c)))
        return [e for e in each if e is not None]


def generators():
    for n, name in enumerate(backgrounds.FAMILIES):
        yield name, lambda rng, name=name: scenes.scene(rng, family=name), 9000 + n
    yield "held-out", heldout.scene, 9100
    yield "held-out, inverted", lambda rng: heldout.scene(rng, invert=True), 9101
    yield "photograph-like", photolike.scene, 9102


def examine(model, count, sweep):
    least = model.manifest["thresholds"]["score"]
    print(f"score >= {least}\n\n| scenes | pictures | objects | precision | recall | mean IoU | AP50 |\n"
          "|---|---|---|---|---|---|---|")
    total = Tally()

    def line(name, tally):
        precision, recall = tally.at(least)
        print(f"| {name} | {tally.pictures} | {len(tally.objects)} | {precision:.3f} | {recall:.3f} | "
              f"{tally.fit(least):.3f} | {np.mean(tally.ap()):.3f} |", flush=True)
        if sweep:
            print("    ", "  ".join("{}: {:.3f}/{:.3f}".format(s, *tally.at(s)) for s in
                                    (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)))
            print("    ", " ".join(f"{n} {a:.2f}" for n, a in zip(shapes.LABELS, tally.ap())))

    for name, make, seed in generators():
        rng, tally = np.random.default_rng(seed), Tally()
        for _ in range(count):
            picture, truth = make(rng)
            found = model.detect(picture, least=0.01)
            tally.add(found, truth)
            total.add(found, truth)
        line(name, tally)
    line("all together", total)


def frames(path):
    """Upright pictures of a video, by ffmpeg."""
    if path.name == "numbered-resize.ts":
        sizes = [(320, 240)]  # ffmpeg scales the second part to the first's size
    else:
        probe = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                 "stream=width,height:stream_side_data=rotation", "-of", "json", str(path)]
        stream = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"][0]
        turned = any(abs(s.get("rotation", 0)) == 90 for s in stream.get("side_data_list", []))
        sizes = [(stream["width"], stream["height"])[::-1 if turned else 1]]
    w, h = sizes[0]
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-vsync", "passthrough", "-s", f"{w}x{h}",
                          "-pix_fmt", "rgb24", "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, h, w, 3)


def numbered_truth(path, n):
    """The formulas of fixtures/README.md."""
    half = np.array([24 if "par" in path.name else 32, 32])
    rows = []
    for label, centre in (("circle", (40 + 2 * n, 90)), ("triangle", (246 - 2 * n, 180))):
        box = np.array([*(centre - half), *(centre + half)], float)
        if path.name == "numbered-resize.ts" and n >= 45:
            box *= 0.8
        rows.append([shapes.LABELS.index(label), *box])
    return np.array(rows)


def examine_files(model):
    least = model.manifest["thresholds"]["score"]
    print("\n| file | frames | objects | precision | recall | mean IoU | least score of a right one |\n"
          "|---|---|---|---|---|---|---|")

    def line(name, tally):
        precision, recall = tally.at(least)
        worst = min([r[1] for r in tally.rows if r[2] and r[1] >= least], default=0)
        print(f"| {name} | {tally.pictures} | {len(tally.objects)} | {precision:.3f} | {recall:.3f} | "
              f"{tally.fit(least):.3f} | {worst:.2f} |", flush=True)

    for path in sorted((ROOT / "fixtures").glob("numbered*.*")):
        tally, first = Tally(), 20 if "editlist" in path.name else 0
        for n, picture in enumerate(frames(path)):
            tally.add(model.detect(picture), numbered_truth(path, first + n))
        line(path.name, tally)
    for name in ("scene.png", "scene.jpg"):
        truth = json.loads((ROOT / "fixtures/scene.json").read_text())["objects"]
        tally = Tally()
        tally.add(model.detect(np.asarray(Image.open(ROOT / "fixtures" / name).convert("RGB"))),
                  np.array([[shapes.LABELS.index(t["label"]), *t["box"]] for t in truth]))
        line(name, tally)
    tally = Tally()
    for n, picture in enumerate(frames(ROOT / "fixtures/shapes.mp4")):
        tally.add(model.detect(picture), make_shapes.truth(n))
    line("fixtures/shapes.mp4", tally)


if __name__ == "__main__":
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("model", help="a folder with model.toml and 1/model.onnx")
    args.add_argument("--scenes", type=int, default=300)
    args.add_argument("--sweep", action="store_true", help="also other thresholds (precision/recall) and AP50s")
    args.add_argument("--files-only", action="store_true")
    args = args.parse_args()
    loaded = peer.Model(args.model)
    if not args.files_only:
        examine(loaded, args.scenes, args.sweep)
    examine_files(loaded)
