"""Runs Darknet networks by OpenCV's own reader: peer.py FOLDER

FOLDER holds for each case NAME.cfg, NAME.weights and NAME.input (32-bit floats, [1, 3, height, width]). NAME.json gets, for
each head, the tensor before it and the rows that it makes: centre, size (of the picture), objectness, score of each class.
"""

import json
import pathlib
import sys

import cv2
import numpy

for cfg in sorted(pathlib.Path(sys.argv[1]).glob("*.cfg")):
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(cfg.with_suffix(".weights")))
    net.enableFusion(False)
    keys = dict(line.split("=") for line in cfg.read_text().splitlines() if line.startswith(("width", "height")))
    shape = (1, 3, int(keys["height"]), int(keys["width"]))
    net.setInput(numpy.fromfile(cfg.with_suffix(".input"), "<f4").reshape(shape))
    names = list(net.getLayerNames())
    heads = []
    for at, name in enumerate(names):
        if net.getLayer(net.getLayerId(name)).type == "Region":
            # What stands before it has the channels last.
            raw, rows = net.forward([names[at - 1], name])
            raw = raw.transpose(0, 3, 1, 2)
            heads.append({
                "shape": list(raw.shape[1:]),
                "raw": [float(value) for value in raw.ravel()],
                "rows": rows.reshape(-1, rows.shape[-1]).tolist(),
            })
    cfg.with_suffix(".json").write_text(json.dumps(heads))
