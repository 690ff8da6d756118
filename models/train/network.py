"""The detector: a small residual backbone with YOLOv3's two heads, about a million parameters.

The heads give raw logits exactly as Darknet lays them out: channel = anchor * (5 + classes) + (tx, ty, tw, th,
objectness, classes ...).
"""
import copy
import warnings

import torch
from torch import nn
from torch.nn import functional as F

# Pixels of a 320x320 input, per head: stride 32, then stride 16.
ANCHORS = [[(84, 84), (140, 140), (230, 230)], [(18, 18), (32, 32), (54, 54)]]
STRIDES = [32, 16]


def conv(i, o, k=3, s=1):
    return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o, momentum=0.03),
                         nn.LeakyReLU(0.1, inplace=True))


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.body = nn.Sequential(conv(c, c // 2, 1), conv(c // 2, c))

    def forward(self, x):
        return x + self.body(x)


class Detector(nn.Module):
    def __init__(self, classes):
        super().__init__()
        out = 3 * (5 + classes)
        self.stem = nn.Sequential(conv(3, 16, 3, 2), conv(16, 32, 3, 2), Residual(32), conv(32, 64, 3, 2), Residual(64))
        self.mid = nn.Sequential(conv(64, 128, 3, 2), Residual(128), Residual(128))              # stride 16
        self.low = nn.Sequential(conv(128, 192, 3, 2), Residual(192), conv(192, 96, 1))           # stride 32
        self.head0 = nn.Sequential(conv(96, 160), nn.Conv2d(160, out, 1))
        self.up = conv(96, 64, 1)
        self.join = conv(192, 80, 1)
        self.head1 = nn.Sequential(conv(80, 144), nn.Conv2d(144, out, 1))
        for head in (self.head0, self.head1):  # nearly every place is empty: begin by saying so
            head[-1].bias.data.view(3, -1)[:, 4] = -5.0

    def forward(self, images):
        mid = self.mid(self.stem(images))
        low = self.low(mid)
        up = F.interpolate(self.up(low), scale_factor=2.0, mode="nearest")
        return self.head0(low), self.head1(self.join(torch.cat([up, mid], 1)))


def decode(raw, anchors, stride, scale_x_y=1.0):
    """Raw head to centre boxes in input pixels [N, A, H, W, 4] and the logits [N, A, H, W, 1 + classes]."""
    n, c, h, w = raw.shape
    a = len(anchors)
    p = raw.view(n, a, c // a, h, w).permute(0, 1, 3, 4, 2)
    y, x = torch.meshgrid(torch.arange(h, device=raw.device), torch.arange(w, device=raw.device), indexing="ij")
    xy = (p[..., :2].sigmoid() * scale_x_y - (scale_x_y - 1) / 2 + torch.stack([x, y], -1)) * stride
    wh = p[..., 2:4].clamp(-6, 6).exp() * torch.tensor(anchors, dtype=p.dtype, device=raw.device).view(1, a, 1, 1, 2)
    return torch.cat([xy, wh], -1), p[..., 4:]


def folded(net):
    """A copy whose batch norms are inside the convolutions."""
    net = copy.deepcopy(net).float().eval().to(memory_format=torch.contiguous_format)
    for module in net.modules():
        if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = torch.nn.utils.fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return net


def export(net, path, size, outputs):
    """Writes a network as ONNX, opset 13, for any number of pictures."""
    names = ["images", *outputs]
    warnings.filterwarnings("ignore", module="torch.onnx")
    torch.onnx.export(net.eval(), torch.zeros(2, 3, size, size), str(path), opset_version=13, input_names=names[:1],
                      output_names=outputs, dynamic_axes={name: {0: "batch"} for name in names})
