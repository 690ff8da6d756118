#!/usr/bin/env python3
"""Writes a model folder (1/model.onnx, and model.toml but for the shapes) of a trainer's checkpoint.

    apt-get install python3-torch python3-onnx python3-numpy python3-pil python3-opencv
    /usr/bin/python3 models/train/export.py detector /tmp/nano/last.pt models/sightglass-nano
    /usr/bin/python3 models/train/export.py cifar10 /tmp/cifar10/last.pt models/cifar10
    /usr/bin/python3 models/train/export.py shapes /tmp/shapes.pt fixtures/models/shapes

The file's metadata name the classes in the way that other tools read too (`names`, `task`, `imgsz`, `stride`).
"""
import argparse
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import torch

import cifar10
import nano
import network
import photos
import shapes


def described(path, labels, **more):
    model = onnx.load(str(path))
    more = {"names": repr(dict(enumerate(labels))), "author": "Sightglass", "license": "Apache-2.0", **more}
    onnx.helper.set_model_props(model, {key: str(value) for key, value in more.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def halved(path, least=1000):
    """Stores large weights as 16-bit numbers with a cast to 32 bits behind each: half the file, the same arithmetic."""
    model = onnx.load(str(path))
    casts = []
    for value in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(value)
        if weights.dtype == np.float32 and weights.size >= least:
            name = value.name
            value.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), f"{name}.f16"))
            casts.append(onnx.helper.make_node("Cast", [value.name], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.save(model, str(path))


def only(net, labels, wanted):
    """Leaves out the channels of the labels that are not wanted."""
    rows = 5 + len(labels)
    kept = [*range(5), *(5 + labels.index(name) for name in wanted)]
    for head in net.heads:
        channels = [a * rows + k for a in range(head.out_channels // rows) for k in kept]
        head.weight, head.bias = (torch.nn.Parameter(v.data[channels]) for v in (head.weight, head.bias))
        head.out_channels = len(channels)
    return net


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("kind", choices=("detector", "cifar10", "shapes"))
    args.add_argument("checkpoint", type=Path)
    args.add_argument("folder", type=Path)
    args.add_argument("--size", type=int, help="of the detector's input; as trained unless given")
    args.add_argument("--labels", nargs="+", help="of the detector's, those that are good enough; all unless given")
    args.add_argument("--resize", default="crop", choices=("crop", "stretch"), help="of the classifier's pictures")
    args.add_argument("--no-mirror", action="store_true", help="the classifier sees a picture once, not mirrored too")
    args = args.parse_args()
    saved = torch.load(args.checkpoint, map_location="cpu")
    path = args.folder / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    if args.kind == "cifar10":
        net = cifar10.Network(saved["widths"])
        net.load_state_dict(saved["slow"])
        network.export(cifar10.Shipped(net, not args.no_mirror), path, 32, ["logits"])
        halved(path)
        described(path, cifar10.LABELS, task="classify", imgsz=[32, 32])
        (args.folder / "model.toml").write_text(cifar10.MANIFEST.replace("RESIZE", args.resize))
    elif args.kind == "detector":
        spec = saved["spec"]
        size, net = args.size or spec["size"], nano.Nano(len(spec["labels"]))
        net.load_state_dict(saved["slow"])
        if args.labels:
            net = only(net, spec["labels"], args.labels)
            spec["labels"] = args.labels
        # Anchors are lengths at the size trained with: an object is as many pixels large there.
        network.export(network.folded(net), path, size, [f"yolo{k}" for k in range(len(nano.STRIDES))])
        described(path, spec["labels"], task="detect", imgsz=[size, size], stride=max(nano.STRIDES),
                  anchors=spec["anchors"], scale_x_y=nano.SCALE_X_Y)
        (args.folder / "model.toml").write_text(photos.manifest(spec, size))
    else:
        net = network.Detector(len(shapes.LABELS))
        net.load_state_dict(saved["slow"])
        network.export(network.folded(net), path, 320, ["yolo0", "yolo1"])
        described(path, shapes.LABELS, task="detect", imgsz=[320, 320], stride=max(network.STRIDES))


if __name__ == "__main__":
    main()
