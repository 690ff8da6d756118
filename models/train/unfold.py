#!/usr/bin/env python3
"""Turns an exported ONNX file back into weights that train.py can start from:  unfold.py MODEL.onnx OUT.pt

    apt-get install python3-onnx python3-torch python3-pil python3-numpy

The export folds the batch norms into the convolutions. Here each one gets them back: its statistics are measured on
160 scenes, scale and offset are set so that it undoes them, and filters are brought to one length. In evaluation mode
the network then computes what the ONNX file computes, and training goes on from there.
"""
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

import network
import scenes
import shapes

LENGTH = 1.5  # of a filter, as a vector: about what training ends with


def measure(norm, gain, bias):
    """A hook of the convolution before `norm`: sets it to the statistics and to what undoes them."""
    def hook(_, __, out):
        mean, spread = out.mean((0, 2, 3)), out.var((0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread)
        norm.weight.data.copy_((spread + norm.eps).sqrt() * gain)
        norm.bias.data.copy_(bias + mean * gain)
    return hook


def main():
    values = {v.name: torch.from_numpy(numpy_helper.to_array(v).copy())
              for v in onnx.load(sys.argv[1]).graph.initializer}
    net = network.Detector(len(shapes.LABELS))
    modules = dict(net.named_modules())
    for name, module in modules.items():
        if not isinstance(module, nn.Conv2d):
            continue
        weight, bias = values[name + ".weight"], values[name + ".bias"]
        if module.bias is not None:
            module.weight.data.copy_(weight)
            module.bias.data.copy_(bias)
            continue
        gain = weight.flatten(1).norm(dim=1).clamp(min=1e-6) / LENGTH
        module.weight.data.copy_(weight / gain[:, None, None, None])
        module.register_forward_hook(measure(modules[name[:-1] + "1"], gain, bias))
    rng = np.random.default_rng(77)
    pictures = np.stack([scenes.scene(rng)[0] for _ in range(160)])
    net.eval()
    with torch.no_grad():
        net(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255)
    torch.save({"slow": net.state_dict()}, sys.argv[2])


if __name__ == "__main__":
    main()
