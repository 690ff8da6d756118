"""The detector of photographs: a small cross-stage backbone, features mixed down and up, three YOLOv3 heads.

The heads give raw logits as Darknet lays them out (network.py). The parts are those of the YOLO line: cross-stage
blocks (Wang et al., "CSPNet", arXiv:1911.11929), spatial pyramid pooling (as in YOLOv4, arXiv:2004.10934), a path down
and up (Liu et al., "PANet", arXiv:1803.01534).
"""
import torch
from torch import nn
from torch.nn import functional as F

from network import conv

STRIDES = [32, 16, 8]
# Centres may lie half a cell outside their own: a neighbour cell can then tell an object too (loss.py).
SCALE_X_Y = 2.0


class Stage(nn.Module):
    """Half of the channels go through `count` residual pairs, the other half passes by."""

    def __init__(self, i, o, count=1, residual=True):
        super().__init__()
        half = o // 2
        self.split = conv(i, 2 * half, 1)
        self.pairs = nn.ModuleList(nn.Sequential(conv(half, half, 1), conv(half, half)) for _ in range(count))
        self.join = conv(2 * half, o, 1)
        self.residual = residual

    def forward(self, x):
        past, x = self.split(x).chunk(2, 1)
        for pair in self.pairs:
            x = x + pair(x) if self.residual else pair(x)
        return self.join(torch.cat([past, x], 1))


class Pool(nn.Module):
    """The surroundings of 5, 9 and 13 cells beside each cell."""

    def __init__(self, c):
        super().__init__()
        self.less = conv(c, c // 2, 1)
        self.join = conv(c // 2 * 4, c, 1)

    def forward(self, x):
        x = self.less(x)
        a = F.max_pool2d(x, 5, 1, 2)
        b = F.max_pool2d(a, 5, 1, 2)
        return self.join(torch.cat([x, a, b, F.max_pool2d(b, 5, 1, 2)], 1))


class Nano(nn.Module):
    def __init__(self, classes, anchors=3, widths=(16, 32, 64, 128, 192)):
        super().__init__()
        a, b, c, d, e = widths
        out = anchors * (5 + classes)
        self.stem = nn.Sequential(conv(3, a, 3, 2), conv(a, b, 3, 2))
        self.high = nn.Sequential(conv(b, c, 3, 2), Stage(c, c, 2))              # stride 8
        self.mid = nn.Sequential(conv(c, d, 3, 2), Stage(d, d, 2))               # stride 16
        self.low = nn.Sequential(conv(d, e, 3, 2), Pool(e), Stage(e, e))         # stride 32
        f, g, h = c, d * 3 // 4, d
        self.down32, self.down16 = conv(e, g, 1), conv(g, f, 1)
        self.mix16, self.mix8 = Stage(g + d, g, residual=False), Stage(f + c, f, residual=False)
        self.up8, self.up16 = conv(f, f, 3, 2), conv(g, g, 3, 2)
        self.again16, self.again32 = Stage(f + f, g, residual=False), Stage(g + g, h, residual=False)
        self.heads = nn.ModuleList(nn.Conv2d(width, out, 1) for width in (h, g, f))
        for head, cells in zip(self.heads, (100, 400, 1600)):
            bias = head.bias.data.view(anchors, -1)
            bias[:, 4] = -torch.log(torch.tensor(cells / 2.0))  # nearly every place is empty: begin by saying so
            bias[:, 5:] = -torch.log(torch.tensor(classes / 0.6))

    def features(self, images):
        """What the heads look at, by stride as in STRIDES."""
        high = self.high(self.stem(images))
        mid = self.mid(high)
        t32 = self.down32(self.low(mid))
        m16 = self.mix16(torch.cat([twice(t32), mid], 1))
        t16 = self.down16(m16)
        m8 = self.mix8(torch.cat([twice(t16), high], 1))
        n16 = self.again16(torch.cat([self.up8(m8), t16], 1))
        n32 = self.again32(torch.cat([self.up16(n16), t32], 1))
        return n32, n16, m8

    def told(self, features):
        return tuple(head(x) for head, x in zip(self.heads, features))

    def forward(self, images):
        return self.told(self.features(images))


def twice(x):
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
