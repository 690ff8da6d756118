"""The detector of photographs, examined and written as files: held-out figures, model.onnx, model.toml."""
import cv2
import numpy as np
import torch

import augment
import data
import nano
import network
from figures import Figures

TEN = "person car motorcycle bus truck cat dog horse sheep cow".split()


def suppress(rows, iou=0.5):
    """Boxes (class, score, corners) without doubles, class by class, best first."""
    rows, best = rows[np.argsort(-rows[:, 1], kind="stable")], []
    while len(rows):
        best.append(rows[0])
        rows = rows[(rows[:, 0] != rows[0, 0]) | (data.overlaps(rows[0, 2:], rows[:, 2:]) <= iou)]
    return np.array(best).reshape(-1, 6)


class Torch:
    """The network as it is trained, letterboxed."""

    def __init__(self, net, spec, size, device=torch.device("cpu")):
        self.net, self.spec, self.size, self.device = net.eval(), spec, size, device

    def detect(self, picture, least=0.005):
        """Rows (class, score, left, top, right, bottom) in the picture's pixels; every class above `least` counts."""
        square, (scale, dx, dy) = augment.letterboxed(picture, self.size)
        x = torch.from_numpy(square).to(self.device).permute(2, 0, 1)[None].float() / 255
        rows = []
        with torch.no_grad():
            for raw, anchors, stride in zip(self.net(x), self.spec["anchors"], nano.STRIDES):
                boxes, logits = network.decode(raw.float(), anchors, stride, nano.SCALE_X_Y)
                scores = logits[..., :1].sigmoid() * logits[..., 1:].sigmoid()
                at = torch.nonzero(scores > least)
                near, kind = boxes[tuple(at[:, :4].T)], at[:, 4:].float()
                part = [kind, scores[tuple(at.T)][:, None], near[:, :2] - near[:, 2:] / 2, near[:, :2] + near[:, 2:] / 2]
                rows.append(torch.cat(part, 1).cpu().numpy())
        rows = np.concatenate(rows).astype(np.float64)
        rows = suppress(rows[np.argsort(-rows[:, 1])][:1000])
        rows[:, 2:] = ((rows[:, 2:] - [dx, dy, dx, dy]) / scale).clip(0, [picture.shape[1], picture.shape[0]] * 2)
        return rows


def examine(model, pictures, labels):
    """COCO's figures of a model with `detect` on annotated pictures; only crowds are ignored."""
    figures = Figures(labels)
    for picture in pictures:
        image = cv2.cvtColor(cv2.imread(str(picture.path)), cv2.COLOR_BGR2RGB)
        h, w, _ = image.shape
        rows = picture.rows.astype(np.float64) * [1, w, h, w, h, 1]
        figures.add(model.detect(image), rows[rows[:, 0] >= 0, :5])
    return figures


def export(net, spec, size, path):
    """model.onnx at `path` and model.toml beside it."""
    network.export(net.cpu(), path, size, len(nano.STRIDES))
    path.with_name("model.toml").write_text(manifest(spec, size))


def manifest(spec, size):
    labels = ", ".join(f'"{name}"' for name in spec["labels"])
    text = f"""family = "yolov3"
task = "detect"
description = "Finds people, vehicles, animals and household things in photographs and video; trained by this project (models/train)"
labels = [{labels}]

[input]
name = "images"
width = {size}
height = {size}
layout = "nchw"
channels = "rgb"
scale = {1 / 255}
resize = "letterbox"
pad = {augment.PAD}

[thresholds]
score = 0.4
iou = 0.5
"""
    for k, (anchors, stride) in enumerate(zip(spec["anchors"], nano.STRIDES)):
        text += f'\n[[heads]]\noutput = "yolo{k}"\nstride = {stride}\nscale_x_y = {nano.SCALE_X_Y}\nanchors = {anchors}\n'
    return text
