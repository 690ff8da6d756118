"""The whole chain once more in plain numpy and onnxruntime: resizing, network, YOLOv3's decoding, NMS per class.

It reads the same model.toml as the service, scales pictures by the same bilinear taps, and is what the evaluations
examine a model with.
"""
import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from boxes import suppress


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
        """uint8 [h, w, 3] RGB to the input tensor, and (scale, dx, dy) that led there; a stretched picture has none."""
        spec = self.manifest["input"]
        h, w, _ = picture.shape
        width, height, how = spec["width"], spec["height"], spec.get("resize", "letterbox")
        if how == "crop":  # the middle
            scale = max(width / w, height / h)
            cw, ch = min(w, round(width / scale)), min(h, round(height / scale))
            picture = picture[(h - ch) // 2:(h - ch) // 2 + ch, (w - cw) // 2:(w - cw) // 2 + cw]
        scale = min(width / w, height / h)
        size = (round(w * scale), round(h * scale)) if how == "letterbox" else (width, height)
        dx, dy = (width - size[0]) // 2, (height - size[1]) // 2
        square = np.full((height, width, 3), spec.get("pad", 114), np.uint8)
        square[dy:dy + size[1], dx:dx + size[0]] = scaled(picture, size)
        return (square.transpose(2, 0, 1)[None] * np.float32(spec["scale"])).astype(np.float32), (scale, dx, dy)

    def detect(self, picture, least=None, iou=None, several=True, most=None):
        """Rows (class, score, left, top, right, bottom) in the picture's pixels, best first. A cell gives every class
        from `least` on, or with `several` false its best."""
        limits = self.manifest["thresholds"]
        least = limits["score"] if least is None else least
        tensor, (scale, dx, dy) = self.prepare(picture)
        heads = self.manifest["heads"]
        raw = self.session.run([h["output"] for h in heads], {self.session.get_inputs()[0].name: tensor})
        rows = np.concatenate([decoded(r[0], h, least, several) for r, h in zip(raw, heads)])
        rows = suppress(rows[np.argsort(-rows[:, 1], kind="stable")][:most], limits["iou"] if iou is None else iou)
        rows[:, 2:] = (rows[:, 2:] - [dx, dy, dx, dy]) / scale
        rows[:, 2:] = rows[:, 2:].clip(0, [picture.shape[1], picture.shape[0]] * 2)
        return rows

    def classify(self, picture):
        """A probability for each label."""
        tensor, _ = self.prepare(picture)
        outputs, name = [self.manifest["classes"]["output"]], self.session.get_inputs()[0].name
        logits = self.session.run(outputs, {name: tensor})[0][0]
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()


def scaled(picture, size):
    """As the service scales, and OpenCV by default: two taps in each direction, however much smaller it gets."""
    return picture if picture.shape[1::-1] == tuple(size) else cv2.resize(picture, size)


def decoded(raw, head, least, several=True):
    """Rows (class, score, left, top, right, bottom) in the input's pixels, of a raw head [A * (5 + C), H, W]."""
    anchors, stride, stretch = np.array(head["anchors"], np.float32), head["stride"], head.get("scale_x_y", 1.0)
    _, h, w = raw.shape
    p = raw.reshape(len(anchors), -1, h, w).transpose(0, 2, 3, 1)
    score = sigmoid(p[..., 4:5]) * sigmoid(p[..., 5:])
    if not several:
        score = np.where(score == score.max(-1, keepdims=True), score, 0)
    a, y, x, c = np.nonzero(score > least)
    q = p[a, y, x]
    centre = (sigmoid(q[:, :2]) * stretch - (stretch - 1) / 2 + np.stack([x, y], 1)) * stride
    size = np.exp(q[:, 2:4].clip(-20, 20)) * anchors[a]
    return np.concatenate([c[:, None], score[a, y, x, c][:, None], centre - size / 2, centre + size / 2], 1)
