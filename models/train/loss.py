"""The loss of YOLOv3's heads for labels of which some are sure, some are a teacher's, and some are unknown.

Which cells tell an object is chosen as in YOLOv5 (Jocher et al., github.com/ultralytics/yolov5, its documentation):
every anchor not too different in shape, in the object's cell and in the two nearest neighbours. Boxes are learned by
complete IoU (Zheng et al., arXiv:1911.08287).
"""
import math

import torch
from torch.nn import functional as F

from network import decode

ALIKE = 4.0                              # an anchor tells objects up to so many times longer or shorter
BOX, OBJECT, CLASS = 4.0, 1.0, 1.0
NEIGHBOURS = torch.tensor([[0, 0], [-1, 0], [0, -1], [1, 0], [0, 1]])


def overlap(a, b):
    """Of centre boxes, row by row: (IoU, area of both together, width and height of what holds both)."""
    a0, a1 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b0, b1 = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    both = (torch.minimum(a1, b1) - torch.maximum(a0, b0)).clamp(min=0).prod(-1)
    union = a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - both + 1e-6
    return both / union, union, torch.maximum(a1, b1) - torch.minimum(a0, b0)


def giou(a, b):
    """(IoU, generalised IoU)."""
    iou, union, hull = overlap(a, b)
    area = hull.prod(-1) + 1e-6
    return iou, iou - (area - union) / area


def ciou(a, b):
    """(IoU, complete IoU): less by the distance of the centres and the difference of the shapes."""
    iou, _, hull = overlap(a, b)
    apart = (a[..., :2] - b[..., :2]).pow(2).sum(-1) / (hull.pow(2).sum(-1) + 1e-6)
    turn = (torch.atan(a[..., 2] / a[..., 3].clamp(min=1e-6)) - torch.atan(b[..., 2] / b[..., 3].clamp(min=1e-6)))
    shape = 4 / math.pi ** 2 * turn.pow(2)
    with torch.no_grad():
        weight = shape / (1 - iou + shape + 1e-6)
    return iou, iou - apart - weight * shape


def cells_of(boxes, anchors, stride, grid, best):
    """For each object the places that tell it: (object, anchor, y, x), as long tensors. `best` [T, A] marks an object's
    closest anchor of all heads, which tells it however different it is."""
    ratio = boxes[:, None, 2:] / anchors
    fits = (torch.maximum(ratio, 1 / ratio).amax(-1) < ALIKE) | best
    t, a = torch.nonzero(fits, as_tuple=True)
    place = boxes[t, :2] / stride
    cell = place.long()
    part = place - cell
    steps = NEIGHBOURS.to(boxes.device)
    near = torch.stack([torch.ones_like(part[:, 0], dtype=torch.bool), part[:, 0] < 0.5, part[:, 1] < 0.5,
                        part[:, 0] >= 0.5, part[:, 1] >= 0.5], 1)
    row, which = torch.nonzero(near, as_tuple=True)
    spot = cell[row] + steps[which]
    inside = ((spot >= 0) & (spot < grid)).all(1)
    return t[row][inside], a[row][inside], spot[inside, 1], spot[inside, 0]


def loss_of(raw, targets, anchors, strides, scale_x_y):
    """`targets` [T, 7]: picture, class (-1 unknown), centre x, y, width, height in pixels, score. Gives the loss and
    its three parts (boxes, objects, classes)."""
    device = raw[0].device
    every = torch.tensor(anchors, dtype=torch.float32, device=device)                     # [heads, A, 2]
    heads, count = every.shape[:2]
    boxes = targets[:, 2:6].clone()
    boxes[:, 2:] = boxes[:, 2:].clamp(min=1.0)
    flat = every.view(-1, 2)
    small = torch.minimum(boxes[:, None, 2:], flat).prod(-1)
    alike = small / (boxes[:, None, 2:].prod(-1) + flat.prod(-1) - small)
    best = (alike == alike.amax(1, keepdim=True)).view(-1, heads, count)
    sure = targets[:, 1] >= 0
    box, kind, thing, positives = 0.0, 0.0, 0.0, torch.tensor(1.0, device=device)
    for k, (r, stride) in enumerate(zip(raw, strides)):
        pred, logits = decode(r.float(), anchors[k], stride, scale_x_y)
        _, _, h, w, _ = pred.shape
        want, care = torch.zeros(pred.shape[:4], device=device), torch.ones(pred.shape[:4], device=device)
        t, a, y, x = cells_of(boxes, every[k], stride, torch.tensor([w, h], device=device), best[:, k])
        n = targets[t, 0].long()
        unknown = ~sure[t]
        care[n[unknown], a[unknown], y[unknown], x[unknown]] = 0
        t, n, a, y, x = (v[~unknown] for v in (t, n, a, y, x))
        if len(t):
            iou, complete = ciou(pred[n, a, y, x], boxes[t])
            score = targets[t, 6]
            box = box + ((1 - complete) * score).sum()
            aim = F.one_hot(targets[t, 1].long(), logits.shape[-1] - 1).float()
            each = F.binary_cross_entropy_with_logits(logits[n, a, y, x, 1:], aim, reduction="none").sum(1)
            kind = kind + (each * score).sum()
            positives = positives + score.sum()
            place = ((n * count + a) * h + y) * w + x
            told = iou.detach().clamp(min=0) * score
            want.view(-1).scatter_reduce_(0, place, told, "amax")
            care.view(-1)[place] = 1
        each = F.binary_cross_entropy_with_logits(logits[..., 0], want, reduction="none")
        thing = thing + (each * care).sum()
    parts = torch.stack([torch.as_tensor(v, device=device) / positives for v in (box, thing, kind)])
    return parts @ torch.tensor([BOX, OBJECT, CLASS], device=device), parts.detach()
