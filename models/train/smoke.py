#!/usr/bin/env python3
"""Runs every step of the trainers on a few drawn pictures, in seconds, to see that they work together.

    apt-get install python3-torch python3-onnx python3-opencv python3-pil python3-numpy
    scripts/wheels.sh onnxruntime-python
    PYTHONPATH=$PWD/deps/onnxruntime-python /usr/bin/python3 models/train/smoke.py FOLDER

It says nothing about how good a model becomes. A run that is cut and goes on must end with the same weights as one that
is not. What was drawn and written stays in FOLDER, which must not exist: `make test` goes on with it.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import data
import drawn

HERE = Path(__file__).resolve().parent


def run(*words):
    done = subprocess.run([sys.executable, "-W", "ignore", *map(str, words)], cwd=HERE, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def readers(photos):
    """The same annotations in three formats are the same; a teacher adds to what has no label only."""
    labels = drawn.KINDS
    mine = data.yolo(photos, "train", labels)
    assert sum(len(p.rows) for p in mine) == 11
    others = {"coco": data.coco(photos / "train.json", photos / "train/images", labels),
              "voc": data.voc(photos / "voc/Annotations", photos / "train/images", labels)}
    for name, theirs in others.items():
        rows = {p.path.name: p.rows for p in theirs}
        assert len(rows) == 12, name
        for p in mine:
            assert np.allclose(p.rows, rows[p.path.name], atol=1e-5), f"{name}: {p.rows} {rows[p.path.name]}"
    taught = data.taught(mine, photos / "teacher/train", labels)
    assert [len(p.rows) for p in taught] == [1] * 12
    assert [round(float(p.rows[0, 5]), 3) for p in taught if p.path.stem == "1"] == [0.8], "a teacher's box has its score"


def teaching(folder):
    """A thing in the middle is seen whole, mirrored, and is one; as a part of the picture it is another one."""
    drawn.teacher(folder / "teacher.onnx", data.COCO.index("dog"))
    run("teach.py", folder / "photos", folder / "teacher.onnx", "--out", folder / "taught", "--few", 3)
    files = sorted((folder / "taught/train").glob("*.txt"))
    assert len(files) == 3, files
    best = max(data.numbers(files[0]), key=lambda row: row[5])
    assert np.allclose(best, [data.COCO.index("dog"), 0.5, 0.5, 0.25, 1 / 3, 0.9], atol=2e-3), best


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


def detector(folder):
    photos = folder / "photos"
    small = ["--batch", 4, "--size", 128, "--small", 96, "--workers", 0]
    drawn.places(folder / "places.onnx")
    done = twice(folder / "nano", "train_detector.py", photos, "--teacher", photos / "teacher", "--epochs", 2,
                 "--imitate", folder / "places.onnx", *small)
    first, last = (json.loads(line)["unlike"] for line in (done / "log.jsonl").read_text().splitlines())
    assert 0 < last < first, f"the trainee does not become like its teacher: {first}, then {last}"
    run("curves.py", done / "log.jsonl", folder / "curves.png")
    run("train_detector.py", "--voc", photos / "voc", "--coco", photos / "train.json", photos / "train/images",
        "--work", folder / "voc-coco", "--epochs", 1, "--start", done / "last.pt", *small)
    # Long enough to find some of what was drawn: figures that are all 0 say nothing.
    done = folder / "long"
    run("train_detector.py", photos, "--work", done, "--epochs", 60, "--every", 60, "--rate", 4e-3, "--mosaic", 0, *small)
    log = json.loads((done / "log.jsonl").read_text().splitlines()[-1])
    run("export.py", "detector", done / "last.pt", folder / "models/nano")
    run("export.py", "detector", done / "last.pt", folder / "models/people", "--labels", "person")
    out = run("evaluate.py", "detector", folder / "models/nano", "--data", photos, "--classes", *drawn.KINDS)
    assert "| person | 2 |" in out, out
    assert f"| **the 2** | | **{log['ap50']:.3f}**" in out, (log, out)
    return log


def classifier(folder):
    done = twice(folder / "cifar10", "train_cifar10.py", folder / "small", "--epochs", 2, "--batch", 20,
                 "--widths", 16, 16, 16)
    run("export.py", "cifar10", done / "last.pt", folder / "models/cifar10")
    out = run("evaluate.py", "classifier", folder / "models/cifar10", "--cifar10", folder / "small/test")
    assert "| **all** | 60 |" in out, out


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("folder", type=Path)
    folder = args.parse_args().folder.resolve()
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    drawn.photographs(folder / "photos", rng)
    drawn.small_pictures(folder / "small", rng)
    readers(folder / "photos")
    teaching(folder)
    log = detector(folder)
    classifier(folder)
    print(json.dumps({"ap50": log["ap50"], "ap": log["ap"]}))


if __name__ == "__main__":
    main()
