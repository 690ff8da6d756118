#!/usr/bin/env python3
"""Runs every step of the trainers on a few drawn pictures, in seconds, to see that they work together.

    apt-get install python3-torch python3-onnx python3-opencv python3-pil python3-numpy
    /usr/bin/python3 models/train/smoke.py [--peer python3]

It says nothing about how good a model becomes. A run that is cut and goes on must end with the same weights as one that
is not. `--peer` is a Python with onnxruntime, which also examines the files that were written.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

import cifar10_data
import data

HERE = Path(__file__).resolve().parent


def run(*words, python=sys.executable):
    done = subprocess.run([python, "-W", "ignore", *map(str, words)], cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def drawing(rng, size, kind):
    """A disc or a bar on a plain ground, and its box."""
    image = Image.new("RGB", (size, size * 3 // 4), tuple(int(v) for v in rng.integers(0, 90, 3)))
    side, x, y = (int(v) for v in rng.uniform([0.25, 0.05, 0.05], [0.5, 0.45, 0.2]) * size)
    colour = tuple(int(v) for v in rng.integers(150, 256, 3))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind else draw.rectangle)([x, y, x + side, y + side], fill=colour)
    return image, [x, y, x + side, y + side]


def photographs(folder, rng):
    """A folder as data.py's `yolo` reads it; the teacher's file tells what one picture's labels lack."""
    (folder / "teacher" / "train").mkdir(parents=True)
    (folder / "classes.txt").write_text("person\ncar\n")
    lines = ["split\tstem\tsource\twidth\theight\tboxes\tannotated_classes\n"]
    for split, count in (("train", 12), ("heldout", 4)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        for k in range(count):
            image, box = drawing(rng, 160, k % 2)
            image.save(folder / split / "images" / f"{k}.jpg")
            w, h = image.size
            share = [(box[0] + box[2]) / 2 / w, (box[1] + box[3]) / 2 / h, (box[2] - box[0]) / w, (box[3] - box[1]) / h]
            row = f"{k % 2} " + " ".join(f"{v:.4f}" for v in share) + "\n"
            lacking = split == "train" and k == 1
            (folder / split / "labels" / f"{k}.txt").write_text("" if lacking else row)
            lines.append(f"{split}\t{k}\tdrawn\t{w}\t{h}\t1\t{0 if lacking else '0,1'}\n")
            if lacking:
                (folder / "teacher/train" / f"{k}.txt").write_text(f"{data.COCO.index('car')}{row[1:-1]} 0.800\n")
    (folder / "manifest.tsv").write_text("".join(lines))


def small_pictures(folder, rng):
    for split in ("train", "test"):
        for k, label in enumerate(cifar10_data.LABELS):
            (folder / split / label).mkdir(parents=True)
            for n in range(6):
                drawing(rng, 128, k % 2)[0].resize((32, 32)).save(folder / split / label / f"{n}.png")


def twice(work, *words):
    """Trains without a cut and with one; the weights must be the same."""
    run(*words, "--work", work / "whole")
    run(*words, "--work", work / "cut", "--until", 1)
    log = run(*words, "--work", work / "cut")
    assert "from epoch 1" in log, log
    whole, cut = (torch.load(work / name / "last.pt")["slow"] for name in ("whole", "cut"))
    worst = max((a.float() - b.float()).abs().max().item() for a, b in zip(whole.values(), cut.values()))
    assert worst < 1e-4, f"going on after a cut changes the weights by {worst}"
    return work / "whole"


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--peer", help="a Python that has onnxruntime")
    args = args.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        photographs(place / "photos", rng)
        labels = ["person", "car"]
        taught = data.taught(data.yolo(place / "photos", "train", labels), place / "photos/teacher/train", labels)
        assert [len(p.rows) for p in taught] == [1] * 12, "the teacher adds to what has no label only"
        assert abs(taught[1].rows[0, 5] - 0.8) < 1e-6, "a teacher's label has its score"
        done = twice(place / "nano", "train_detector.py", place / "photos", "--teacher", place / "photos/teacher",
                     "--epochs", 2, "--batch", 4, "--size", 128, "--small", 96, "--workers", 0)
        assert "ap50" in json.loads((done / "log.jsonl").read_text().splitlines()[-1])
        run("export.py", "detector", done / "last.pt", place / "models/nano")
        run("curves.py", done / "log.jsonl", place / "curves.png")
        small_pictures(place / "small", rng)
        run("export.py", "detector", done / "last.pt", place / "models/people", "--labels", "person")
        done = twice(place / "cifar10", "train_cifar10.py", place / "small", "--epochs", 2, "--batch", 20,
                     "--widths", 16, 16, 16)
        run("export.py", "cifar10", done / "last.pt", place / "models/cifar10")
        if args.peer:
            out = run("evaluate.py", "detector", place / "models/nano", "--data", place / "photos", python=args.peer)
            assert "| person | 2 |" in out, out
            out = run("evaluate.py", "classifier", place / "models/cifar10", "--cifar10", place / "small/test",
                      python=args.peer)
            assert "| **all** | 60 |" in out, out
    print("The trainers run from pictures to model files.")


if __name__ == "__main__":
    main()
