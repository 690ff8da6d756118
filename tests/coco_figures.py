#!/usr/bin/python3
"""COCO's own figures: coco_figures.py FOLDER, in which N.annotations.json and N.results.json belong together.

Prints a line of JSON for each N from 0 on: the twelve figures, and AP of each category that has objects. Is run with
deps/pycocotools in PYTHONPATH (scripts/wheels.sh pycocotools).
"""
import contextlib
import json
import sys
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

for number in range(sys.maxsize):
    files = [Path(sys.argv[1]) / f"{number}.{kind}.json" for kind in ("annotations", "results")]
    if not files[0].exists():
        break
    with contextlib.redirect_stdout(sys.stderr):
        truth = COCO(str(files[0]))
        judged = COCOeval(truth, truth.loadRes(str(files[1])), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    classes = {}
    for place, category in enumerate(judged.params.catIds):
        precision = judged.eval["precision"][:, :, place, 0, 2]
        if (precision > -1).any():
            classes[str(category)] = float(np.mean(precision[precision > -1]))
    print(json.dumps({"stats": [float(figure) for figure in judged.stats], "classes": classes}))
