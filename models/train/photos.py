"""The detector of photographs: run as it is trained, described as model.toml."""
import numpy as np
import torch

import augment
import nano
import network
from boxes import suppress


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
                centre, half = near[:, :2], near[:, 2:] / 2
                part = [kind, scores[tuple(at.T)][:, None], centre - half, centre + half]
                rows.append(torch.cat(part, 1).cpu().numpy())
        rows = np.concatenate(rows).astype(np.float64)
        rows = suppress(rows[np.argsort(-rows[:, 1])][:1000], 0.5)
        rows[:, 2:] = ((rows[:, 2:] - [dx, dy, dx, dy]) / scale).clip(0, [picture.shape[1], picture.shape[0]] * 2)
        return rows


def manifest(spec, size):
    """The text of model.toml for an input of `size`."""
    labels = ", ".join(f'"{name}"' for name in spec["labels"])
    text = f"""family = "yolov3"
task = "detect"
description = "Finds people, vehicles and animals in photographs and video; trained by this project (models/train)"
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
score = 0.25
iou = 0.5
"""
    for k, (anchors, stride) in enumerate(zip(spec["anchors"], nano.STRIDES)):
        text += f'\n[[heads]]\noutput = "yolo{k}"\nstride = {stride}\n'
        text += f"scale_x_y = {nano.SCALE_X_Y}\nanchors = {anchors}\n"
    return text
