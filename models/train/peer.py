"""The whole chain once more in plain numpy and onnxruntime: letterbox, network, YOLOv3's decoding, NMS per class.

It reads the same model.toml as the service and is what evaluate.py examines a model with.
"""
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Model:
    def __init__(self, folder, version=1, threads=1):
        folder = Path(folder)
        self.manifest = tomllib.loads((folder / "model.toml").read_text())
        self.labels = self.manifest["labels"]
        if isinstance(self.labels, str):
            self.labels = (folder / self.labels).read_text().split("\n")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(folder / str(version) / "model.onnx"), options,
                                                    ["CPUExecutionProvider"])

    def prepare(self, picture):
        """uint8 [h, w, 3] to the input tensor, and (scale, dx, dy) that led there."""
        spec = self.manifest["input"]
        h, w, _ = picture.shape
        scale = min(spec["width"] / w, spec["height"] / h)
        size = round(w * scale), round(h * scale)
        dx, dy = (spec["width"] - size[0]) // 2, (spec["height"] - size[1]) // 2
        square = np.full((spec["height"], spec["width"], 3), spec["pad"], np.uint8)
        small = Image.fromarray(picture)
        if small.size != size:
            small = small.resize(size, Image.BILINEAR)
        square[dy:dy + size[1], dx:dx + size[0]] = np.asarray(small)
        return (square.transpose(2, 0, 1)[None] * np.float32(spec["scale"])).astype(np.float32), (scale, dx, dy)

    def detect(self, picture, least=None, iou=None):
        """Rows (class, score, left, top, right, bottom) in the picture's pixels, best first."""
        limits = self.manifest["thresholds"]
        least = limits["score"] if least is None else least
        tensor, (scale, dx, dy) = self.prepare(picture)
        heads = self.manifest["heads"]
        raw = self.session.run([h["output"] for h in heads], {self.session.get_inputs()[0].name: tensor})
        rows = np.concatenate([self.decode(r[0], h, least) for r, h in zip(raw, heads)])
        rows = suppress(rows, limits["iou"] if iou is None else iou)
        rows[:, 2:] = (rows[:, 2:] - [dx, dy, dx, dy]) / scale
        rows[:, 2:] = rows[:, 2:].clip(0, [picture.shape[1], picture.shape[0]] * 2)
        return rows

    def decode(self, raw, head, least):
        anchors, stride = np.array(head["anchors"], np.float32), head["stride"]
        _, h, w = raw.shape
        p = raw.reshape(len(anchors), -1, h, w).transpose(0, 2, 3, 1)
        score = sigmoid(p[..., 4:5]) * sigmoid(p[..., 5:])
        a, y, x, c = np.nonzero(score > least)
        q = p[a, y, x]
        centre = (sigmoid(q[:, :2]) + np.stack([x, y], 1)) * stride
        size = np.exp(q[:, 2:4].clip(-20, 20)) * anchors[a]
        return np.concatenate([c[:, None], score[a, y, x, c][:, None], centre - size / 2, centre + size / 2], 1)


def overlaps(box, boxes):
    both = (np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(0).prod(1)
    return both / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - both + 1e-9)


def suppress(rows, iou):
    rows = rows[np.argsort(-rows[:, 1], kind="stable")]
    keep = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        keep.append(best)
        rows = rows[(rows[:, 0] != best[0]) | (overlaps(best[2:], rows[:, 2:]) <= iou)]
    return np.array(keep).reshape(-1, 6)
