"""What smoke.py trains on: a few drawings in every format that the trainers read, and a teacher that sees one thing."""
import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageDraw

import cifar10_data
import data

KINDS = ["person", "car"]


def drawing(rng, size, kind):
    """A disc or a bar on a plain ground, and its box."""
    image = Image.new("RGB", (size, size * 3 // 4), tuple(int(v) for v in rng.integers(0, 90, 3)))
    side, x, y = (int(v) for v in rng.uniform([0.25, 0.05, 0.05], [0.5, 0.45, 0.2]) * size)
    colour = tuple(int(v) for v in rng.integers(150, 256, 3))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind else draw.rectangle)([x, y, x + side - 1, y + side - 1], fill=colour)
    return image, [x, y, x + side, y + side]


def photographs(folder, rng):
    """A folder as data.py's `yolo` reads it; the teacher's file tells what one picture's labels lack. The same
    annotations lie beside it: `<split>.json` is COCO's, `voc` VOC's of the training
    pictures."""
    (folder / "teacher" / "train").mkdir(parents=True)
    (folder / "voc" / "Annotations").mkdir(parents=True)
    (folder / "voc" / "JPEGImages").symlink_to("../train/images")
    (folder / "classes.txt").write_text("\n".join(KINDS) + "\n")
    lines = ["split\tstem\tsource\twidth\theight\tboxes\tannotated_classes\n"]
    for split, count in (("train", 12), ("heldout", 4)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        coco = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}]}
        for k in range(count):
            image, box = drawing(rng, 160, k % 2)
            image.save(folder / split / "images" / f"{k}.jpg", quality=90)
            w, h = image.size
            share = [(box[0] + box[2]) / 2 / w, (box[1] + box[3]) / 2 / h, (box[2] - box[0]) / w, (box[3] - box[1]) / h]
            row = f"{k % 2} " + " ".join(f"{v:.6f}" for v in share) + "\n"
            lacking = split == "train" and k == 1
            (folder / split / "labels" / f"{k}.txt").write_text("" if lacking else row)
            lines.append(f"{split}\t{k}\tdrawn\t{w}\t{h}\t1\t{0 if lacking else '0,1'}\n")
            if lacking:
                (folder / "teacher/train" / f"{k}.txt").write_text(f"{data.COCO.index('car')}{row[1:-1]} 0.800\n")
            coco["images"].append({"id": k, "file_name": f"{k}.jpg", "width": w, "height": h})
            sides = [box[2] - box[0], box[3] - box[1]]
            if not lacking:
                coco["annotations"].append({"id": k + 1, "image_id": k, "category_id": 3 if k % 2 else 1, "iscrowd": 0,
                                            "bbox": [*box[:2], *sides], "area": sides[0] * sides[1]})
            if split == "train":
                (folder / "voc" / "Annotations" / f"{k:02}.xml").write_text(
                    voc(f"{k}.jpg", w, h, [] if lacking else [(KINDS[k % 2], box)]))
        (folder / f"{split}.json").write_text(json.dumps(coco))
    (folder / "manifest.tsv").write_text("".join(lines))


def voc(name, w, h, things):
    """VOC counts pixels from 1, and a box ends with its last pixel."""
    text = f"<annotation><filename>{name}</filename><size><width>{w}</width><height>{h}</height></size>"
    for label, (left, top, right, bottom) in things:
        text += (f"<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
                 f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>")
    return text + "</annotation>"


def small_pictures(folder, rng):
    """A folder as cifar10_data.py reads it."""
    for split in ("train", "test"):
        for k, label in enumerate(cifar10_data.LABELS):
            (folder / split / label).mkdir(parents=True)
            for n in range(6):
                drawing(rng, 128, k % 2)[0].resize((32, 32)).save(folder / split / label / f"{n}.png")


def teacher(path, kind, size=64):
    """A YOLOX file that sees one thing of this COCO class in the middle of every 4:3 picture, a quarter as wide."""
    rows = np.full((size // 8 * size // 8 + size // 16 * size // 16 + size // 32 * size // 32, 85), -8, np.float32)
    rows[:, 4:] = 0
    cell = 3 * (size // 8) + 4                               # stride 8: the fourth row, the fifth column
    centre = np.array([size / 2, size * 3 / 4 / 2]) / 8 - [4, 3]
    rows[cell, :4] = [*centre, *np.log(np.array([size / 4, size / 4]) / 8)]
    rows[cell, [4, 5 + kind]] = [1.0, 0.9]
    shape = [1, 3, size, size]
    nodes = [helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
             helper.make_node("Mul", ["mean", "nothing"], ["zero"]), helper.make_node("Add", ["rows", "zero"], ["output"])]
    graph = helper.make_graph(
        nodes, "teacher", [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, *rows.shape])],
        [numpy_helper.from_array(rows[None], "rows"), numpy_helper.from_array(np.zeros(1, np.float32), "nothing")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def places(path):
    """A YOLOX file of any 64x64 picture, whose scores follow the colours under each place of the three strides."""
    rng, nodes, weights, heads = np.random.default_rng(1), [], [], []
    for stride in (8, 16, 32):
        told = f"told{stride}"
        weights += [numpy_helper.from_array(rng.normal(0, 1e-3, (85, 3, 1, 1)).astype(np.float32), f"weight{stride}"),
                    numpy_helper.from_array(np.full(85, -3, np.float32), f"bias{stride}")]
        nodes += [helper.make_node("AveragePool", ["images"], [f"mean{stride}"], kernel_shape=[stride] * 2,
                                   strides=[stride] * 2),
                  helper.make_node("Conv", [f"mean{stride}", f"weight{stride}", f"bias{stride}"], [f"raw{stride}"]),
                  helper.make_node("Sigmoid", [f"raw{stride}"], [told]),
                  helper.make_node("Reshape", [told, "flat"], [f"flat{stride}"])]
        heads.append(f"flat{stride}")
    nodes += [helper.make_node("Concat", heads, ["all"], axis=2),
              helper.make_node("Transpose", ["all"], ["output"], perm=[0, 2, 1])]
    weights.append(numpy_helper.from_array(np.array([1, 85, -1], np.int64), "flat"))
    graph = helper.make_graph(
        nodes, "places", [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 84, 85])], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
