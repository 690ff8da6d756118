#!/usr/bin/env python3
"""Builds YOLOv3, or another Darknet cfg, with random weights, to measure speed without anybody's weights.

    pip install onnx numpy
    python3 benches/make_yolov3.py OUT [--size 416] [--half] [--cfg some.cfg] [--labels coco.names]

Makes the model folder OUT: OUT/model.toml and OUT/1/model.onnx. Without --cfg it is YOLOv3 as published: Darknet-53, 80
classes, heads of stride 32, 16 and 8. The heads are raw, in Darknet's layout, named yolo0, yolo1 ... in
the order of the cfg; the batch axis is free. Batch norms are left out, as an importer would have folded them. The
objectness biases are very negative, so the network finds next to nothing and NMS costs next to nothing: what is
measured is the network. `--half` keeps weights and sums in f16 between an f32 input and f32 outputs.
"""
import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OBJECTNESS = -8.0


def sections(path):
    """The cfg's blocks in order: (name, {key: value})."""
    found = []
    for line in Path(path).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            found.append((line.strip("[]"), {}))
        elif "=" in line:
            key, value = line.split("=", 1)
            found[-1][1][key.strip()] = value.strip()
    return found


def yolov3():
    """The blocks of YOLOv3."""
    def conv(filters, size=1, stride=1, activation="leaky"):
        return "convolutional", {"filters": str(filters), "size": str(size), "stride": str(stride), "pad": "1",
                                 "activation": activation}

    anchors = "10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
    found = [("net", {}), conv(32, 3)]
    for filters, repeats in (64, 1), (128, 2), (256, 8), (512, 8), (1024, 4):
        found.append(conv(filters, 3, 2))
        found += [conv(filters // 2), conv(filters, 3), ("shortcut", {"from": "-3"})] * repeats
    for filters, joined, mask in (512, None, "6,7,8"), (256, 61, "3,4,5"), (128, 36, "0,1,2"):
        if joined:
            found += [("route", {"layers": "-4"}), conv(filters), ("upsample", {"stride": "2"}),
                      ("route", {"layers": f"-1, {joined}"})]
        found += [conv(filters), conv(filters * 2, 3)] * 3 + [conv(255, activation="linear")]
        found.append(("yolo", {"mask": mask, "anchors": anchors, "classes": "80"}))
    return found


def numbers(text, kind=float):
    return [kind(v) for v in text.split(",")]


class Graph:
    """Collects nodes and initialisers; a layer is known by (tensor name, channels, stride)."""

    def __init__(self, seed, half):
        self.rng = np.random.default_rng(seed)
        self.kind = np.float16 if half else np.float32
        self.nodes, self.weights, self.heads = [], [], []

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name, values):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def convolution(self, n, s, layer, gain, bias=None):
        source, channels, stride = layer
        filters, size, step = int(s["filters"]), int(s.get("size", 1)), int(s.get("stride", 1))
        groups, pad = int(s.get("groups", 1)), int(s.get("size", 1)) // 2 if s.get("pad", "0") == "1" else 0
        fan = channels // groups * size * size
        # He's scale keeps the signal's size through the layers, so that f16 neither overflows nor fades.
        weight = self.rng.standard_normal((filters, channels // groups, size, size), dtype=np.float32)
        weight *= gain * np.sqrt(2 / fan)
        bias = np.zeros(filters, np.float32) if bias is None else bias
        name = self.node("Conv", [source, self.constant(f"w{n}", weight.astype(self.kind)),
                                  self.constant(f"b{n}", bias.astype(self.kind))], f"conv{n}",
                         kernel_shape=[size, size], strides=[step, step], pads=[pad] * 4, group=groups)
        activation = s.get("activation", "linear")
        if activation == "leaky":
            name = self.node("LeakyRelu", [name], f"leaky{n}", alpha=0.1)
        elif activation == "relu":
            name = self.node("Relu", [name], f"relu{n}")
        elif activation != "linear":
            raise SystemExit(f"layer {n}: activation '{activation}' is not known here")
        return name, filters, stride * step


def pool(g, n, s, layer):
    source, channels, stride = layer
    size, step = int(s.get("size", 2)), int(s.get("stride", 2))
    pad = int(s.get("padding", size - 1))  # Darknet pads by size - 1 in all, the larger part at the end
    pads = [pad // 2, pad // 2, pad - pad // 2, pad - pad // 2]
    name = g.node("MaxPool", [source], f"pool{n}", kernel_shape=[size, size], strides=[step, step], pads=pads)
    return name, channels, stride * step


def upsample(g, n, s, layer):
    source, channels, stride = layer
    factor = int(s.get("stride", 2))
    scales = g.constant(f"scales{n}", np.array([1, 1, factor, factor], np.float32))
    name = g.node("Resize", [source, "", scales], f"up{n}", mode="nearest", nearest_mode="floor",
                  coordinate_transformation_mode="asymmetric")
    return name, channels, stride // factor


def build(blocks, seed, half):
    g, layers = Graph(seed, half), []
    layer = (g.node("Cast", ["images"], "images_f16", to=TensorProto.FLOAT16) if half else "images", 3, 1)
    body = blocks[1:]
    for n, (kind, s) in enumerate(body):
        following = body[n + 1][0] if n + 1 < len(body) else ""
        if kind == "convolutional":
            if following == "yolo":
                anchors = len(numbers(body[n + 1][1]["mask"], int))
                bias = np.zeros((anchors, 5 + int(body[n + 1][1]["classes"])), np.float32)
                bias[:, 4] = OBJECTNESS
                layer = g.convolution(n, s, layer, 0.1, bias.ravel())
            else:
                layer = g.convolution(n, s, layer, 0.3 if following == "shortcut" else 1.0)
        elif kind == "maxpool":
            layer = pool(g, n, s, layer)
        elif kind == "upsample":
            layer = upsample(g, n, s, layer)
        elif kind == "shortcut":
            other = layers[n + int(s["from"]) if int(s["from"]) < 0 else int(s["from"])]
            layer = (g.node("Add", [layer[0], other[0]], f"add{n}"), *layer[1:])
        elif kind == "route":
            parts = [layers[n + i if i < 0 else i] for i in numbers(s["layers"], int)]
            layer = parts[0]
            if len(parts) > 1:
                name = g.node("Concat", [p[0] for p in parts], f"concat{n}", axis=1)
                layer = (name, sum(p[1] for p in parts), parts[0][2])
        elif kind == "yolo":
            anchors = np.array(numbers(s["anchors"])).reshape(-1, 2)[numbers(s["mask"], int)]
            name = f"yolo{len(g.heads)}"
            if half:
                g.node("Cast", [layer[0]], name, to=TensorProto.FLOAT)
            else:
                g.node("Identity", [layer[0]], name)
            g.heads.append((name, layer[1], layer[2], anchors, float(s.get("scale_x_y", 1.0)), int(s["classes"])))
        elif kind != "dropout":
            raise SystemExit(f"layer {n}: [{kind}] is not known here")
        layers.append(layer)
    return g


def model_of(g, size):
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, size, size])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", channels, size // stride,
                                                                       size // stride])
               for name, channels, stride, *_ in g.heads]
    graph = helper.make_graph(g.nodes, "darknet", inputs, outputs, g.weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
                             producer_name="sightglass-benches")


def manifest(g, args):
    classes = g.heads[0][5]
    if args.labels:
        labels = [line.strip() for line in Path(args.labels).read_text().splitlines() if line.strip()]
        if len(labels) != classes:
            raise SystemExit(f"{args.labels} holds {len(labels)} labels, the cfg {classes} classes")
    else:
        labels = [f"class{c}" for c in range(classes)]
    quoted = ", ".join('"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"' for v in labels)
    what = Path(args.cfg).name if args.cfg else "YOLOv3"
    text = f"""family = "yolov3"
task = "detect"
description = "{what} with random weights{', f16' if args.half else ''}: for measuring speed only"
labels = [{quoted}]

[input]
name = "images"
width = {args.size}
height = {args.size}
layout = "nchw"
channels = "rgb"
scale = {1 / 255!r}
resize = "letterbox"
pad = 114

[thresholds]
score = 0.3
iou = 0.45
"""
    for name, _, stride, anchors, scale, _ in g.heads:
        pairs = ", ".join(f"[{w:g}, {h:g}]" for w, h in anchors)
        text += f'\n[[heads]]\noutput = "{name}"\nstride = {stride}\nscale_x_y = {scale}\nanchors = [{pairs}]\n'
    return text


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("out", help="the model folder to make")
    args.add_argument("--cfg", help="a Darknet cfg instead of YOLOv3")
    args.add_argument("--size", type=int, default=416, help="width and height of the input, a multiple of 32")
    args.add_argument("--labels", help="a text file, one label a line")
    args.add_argument("--half", action="store_true")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    if args.size % 32 or args.size < 32:
        raise SystemExit("--size must be a multiple of 32")
    kind = "f16" if args.half else "f32"
    print(f"building {args.cfg or 'YOLOv3'} at {args.size}x{args.size} in {kind} with random weights")
    g = build(sections(args.cfg) if args.cfg else yolov3(), args.seed, args.half)
    if not g.heads:
        raise SystemExit(f"{args.cfg} has no [yolo] layer")
    for name, channels, stride, *_ in g.heads:
        print(f"head {name}: stride {stride}, {channels} channels, {args.size // stride}x{args.size // stride}")
    folder = Path(args.out)
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(manifest(g, args))
    onnx.save(model_of(g, args.size), folder / "1" / "model.onnx")
    print(f"{sum(int(np.prod(w.dims)) for w in g.weights)} parameters, "
          f"{(folder / '1' / 'model.onnx').stat().st_size} bytes in {folder}")


if __name__ == "__main__":
    main()
