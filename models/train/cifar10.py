"""The classifier of CIFAR-10: its pictures' changes in training, its network, its manifest.

The network is a short residual one whose first layer whitens 2x2 patches. The ideas are those of David Page's "How to
train your ResNet" (2018: nine layers, one cycle of the rate, whitening) and of Keller Jordan's "94% on CIFAR-10 in 3.29
seconds" (arXiv:2404.00498: identity initialisation, large rates for the biases, averaged weights).
"""
import torch
from torch import nn
from torch.nn import functional as F

from cifar10_data import LABELS

WIDTHS = (64, 256, 256)
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def normalised(pictures):
    mean, std = (torch.tensor(v, device=pictures.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (pictures.float() / 255 - mean) / std


def changed(pictures, mirrored, shift=2, hole=8, sharp=0.25):
    """A training batch: mirrored where told, shifted by up to `shift` pixels, a square of `hole` pixels greyed out, a
    share `sharp` made sharper or softer, since photographs are scaled down in more than one way."""
    n, device = len(pictures), pictures.device
    pictures = torch.where(mirrored.view(-1, 1, 1, 1), pictures.flip(3), pictures)
    some = int(n * sharp)
    soft = F.avg_pool2d(F.pad(pictures[:some], (1,) * 4, mode="replicate"), 3, 1)
    strength = torch.empty(some, 1, 1, 1, device=device).uniform_(-0.7, 0.7)
    pictures = torch.cat([pictures[:some] + strength * (pictures[:some] - soft), pictures[some:]])
    wide = F.pad(pictures, (shift,) * 4, mode="reflect")
    dy, dx = torch.randint(0, 2 * shift + 1, (2, n, 1), device=device)
    place = torch.arange(32, device=device)
    each = torch.arange(n, device=device).view(-1, 1, 1)
    out = wide.permute(0, 2, 3, 1)[each, (dy + place).view(n, 32, 1), (dx + place).view(n, 1, 32)].permute(0, 3, 1, 2)
    if hole:
        y, x = torch.randint(0, 33 - hole // 2, (2, n, 1), device=device) - hole // 4
        rows, columns = ((place >= v) & (place < v + hole) for v in (y, x))
        out = out.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(1), 0.0)
    return out.contiguous(memory_format=torch.channels_last)


class Block(nn.Module):
    """Two convolutions and one halving of the size; the second convolution is residual."""

    def __init__(self, i, o):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(i, o, 3, padding=1, bias=False), norm(o)
        self.conv2, self.norm2 = nn.Conv2d(o, o, 3, padding=1, bias=False), norm(o)
        nn.init.dirac_(self.conv1.weight.data[:i])  # the first channels pass through at the beginning

    def forward(self, x):
        x = F.relu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        return x + F.relu(self.norm2(self.conv2(x)))


def norm(channels):
    """Batch norm without scale: the next convolution has one."""
    layer = nn.BatchNorm2d(channels, momentum=0.3)
    layer.weight.requires_grad = False
    return layer


class Network(nn.Module):
    def __init__(self, widths=WIDTHS, classes=len(LABELS)):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad = False
        channels = (24, *widths)
        self.blocks = nn.Sequential(*(Block(i, o) for i, o in zip(channels, channels[1:])))
        self.last = nn.Linear(widths[-1], classes, bias=False)

    def set_whitening(self, pictures, least=5e-4):
        """Principal directions of 2x2 patches, scaled to unit variance, and their negatives (a ReLU halves each)."""
        patches = pictures.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).double()
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + least).sqrt()).T.float().flip(0).reshape(12, 3, 2, 2)
        self.whiten.weight.data.copy_(torch.cat([filters, -filters]))
        self.whiten.bias.data.zero_()

    def forward(self, x):
        """Logits of normalised pictures [N, 3, 32, 32]."""
        x = self.blocks(F.relu(self.whiten(x)))
        return self.last(x.amax((2, 3))) / 9


class Shipped(nn.Module):
    """What the ONNX file holds: pictures of 0..1 in, the normalisation inside, the mean over picture and mirror."""

    def __init__(self, net, mirror):
        super().__init__()
        self.net, self.mirror = net, mirror
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, images):
        x = (images - self.mean) / self.std
        return (self.net(x) + self.net(x.flip(3))) / 2 if self.mirror else self.net(x)


MANIFEST = f"""family = "classifier"
task = "classify"
description = "Tells the ten classes of CIFAR-10; a short residual network, trained by this project (models/train)"
labels = [{", ".join(f'"{label}"' for label in LABELS)}]

[input]
name = "images"
width = 32
height = 32
layout = "nchw"
channels = "rgb"
scale = {1 / 255}
resize = "RESIZE"

[classes]
output = "logits"
activation = "softmax"
"""
