#!/usr/bin/env python3
"""Measures a model folder on annotated pictures.

    pip install onnxruntime numpy opencv-python-headless pillow   # Python 3.11 or newer
    python3 models/train/evaluate.py detector models/sightglass-nano --data DATA --split heldout
    python3 models/train/evaluate.py detector models/sightglass-nano --coco instances.json IMAGES
    python3 models/train/evaluate.py classifier models/cifar10 --cifar10 cifar10_test.tar.gz

The detector's figures are COCO's (figures.py): every class of a cell from score 0.005 counts, at most 100 boxes a
picture. Its speed is the median of the network alone.
"""
import argparse
import time
from pathlib import Path

import numpy as np

import cifar10_data
import data
import peer
from figures import measured
from progress import Bar


def table(figures, wanted):
    print("| class | objects | AP50 | AP50-95 |\n|---|---|---|---|")
    for label, count, ap50, ap in figures.each():
        print(f"| {label} | {count} | {ap50:.3f} | {ap:.3f} |")
    for name, labels in (("all of them", None), (f"the {len(wanted)}", wanted)):
        ap50, ap = figures.mean(labels)
        print(f"| **{name}** | | **{ap50:.3f}** | **{ap:.3f}** |")


def classifier(model, file):
    pictures, labels = cifar10_data.read(file)
    bar = Bar("pictures", len(labels))
    right = np.zeros((len(model.labels), len(model.labels)), int)
    for k, (picture, label) in enumerate(zip(pictures, labels)):
        right[label, model.classify(picture.transpose(1, 2, 0)).argmax()] += 1
        bar.show(k + 1)
    print("| class | pictures | right |\n|---|---|---|")
    for c, label in enumerate(model.labels):
        print(f"| {label} | {right[c].sum()} | {right[c, c] / max(right[c].sum(), 1):.3f} |")
    print(f"| **all** | {right.sum()} | **{right.trace() / right.sum():.4f}** |")


def speed(model, runs=60):
    spec = model.manifest["input"]
    tensor = np.random.default_rng(1).random((1, 3, spec["height"], spec["width"]), np.float32)
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        model.session.run(None, {model.session.get_inputs()[0].name: tensor})
        times.append(time.perf_counter() - begin)
    print(f"\nthe network alone: median {np.median(times) * 1e3:.2f} ms, fastest {min(times) * 1e3:.2f} ms a picture")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("kind", choices=("detector", "classifier"))
    args.add_argument("model", help="a folder with model.toml and 1/model.onnx")
    args.add_argument("--data", type=Path, help="a folder as data.py's `yolo` reads it")
    args.add_argument("--split", default="heldout")
    args.add_argument("--coco", type=Path, nargs=2, metavar=("JSON", "IMAGES"))
    args.add_argument("--voc", type=Path, help="a VOC2007 or VOC2012 folder")
    args.add_argument("--cifar10", type=Path, help="a tar file or folder <class>/<picture>")
    args.add_argument("--classes", nargs="*", default=data.TEN, help="the classes of the last row")
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--few", type=int)
    args = args.parse_args()
    model = peer.Model(args.model, threads=args.threads)
    if args.kind == "classifier":
        classifier(model, args.cifar10)
    else:
        labels = [data.name_of(label) for label in model.labels]
        if args.coco:
            pictures = data.coco(*args.coco, labels)
        elif args.voc:
            pictures = data.voc(args.voc / "Annotations", args.voc / "JPEGImages", labels)
        else:
            pictures = data.yolo(args.data, args.split, labels)
        table(measured(lambda image: model.detect(image, least=0.005, iou=0.5, most=1000), pictures[:args.few], labels),
              args.classes)
    speed(model)


if __name__ == "__main__":
    main()
