#!/usr/bin/env python3
"""Writes a split of YOLO text files as COCO's instances JSON, for `sightglass eval`.

    /usr/bin/python3 models/train/as_coco.py DATA heldout heldout.json
    sightglass eval --annotations heldout.json --images DATA/heldout/images --model sightglass-nano

DATA is a folder as data.py's `yolo` reads it. Only the labels named are written (--labels, the ten that the training
photographs show well); a crowd is one for each of them. Other regions to ignore, a teacher's guesses, are left out.
"""
import argparse
import json
from pathlib import Path

import cv2

import data


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data", type=Path)
    args.add_argument("split")
    args.add_argument("out", type=Path)
    args.add_argument("--labels", nargs="*", default=data.TEN)
    args = args.parse_args()
    images, annotations = [], []
    for picture in data.yolo(args.data, args.split, args.labels):
        h, w, _ = cv2.imread(str(picture.path)).shape
        images.append({"id": len(images) + 1, "file_name": picture.path.name, "width": w, "height": h})
        for kind, left, top, right, bottom, score in picture.rows.tolist():
            crowd = kind == data.UNKNOWN
            if crowd and score < data.CROWD:
                continue
            for c in range(len(args.labels)) if crowd else [int(kind)]:
                box = [left * w, top * h, (right - left) * w, (bottom - top) * h]
                annotations.append({"id": len(annotations) + 1, "image_id": len(images), "category_id": c + 1,
                                    "bbox": box, "area": box[2] * box[3], "iscrowd": int(crowd)})
    categories = [{"id": c + 1, "name": name} for c, name in enumerate(args.labels)]
    args.out.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    print(f"{len(images)} pictures, {len(annotations)} boxes")


if __name__ == "__main__":
    main()
