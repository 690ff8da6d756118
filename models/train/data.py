"""Photographs with boxes: YOLO text, Pascal VOC XML and COCO JSON, and the labels that a teacher adds (teach.py).

A picture's rows are (class, left, top, right, bottom, score), lengths as shares of the picture, class a number in the
list of labels trained. Score is 1 for an annotation and the teacher's for its boxes. Class UNKNOWN marks what may be an
object or not: it is neither learned nor learned to be background.
"""
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from boxes import inside, overlaps

UNKNOWN = -1
COCO = ("person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
        "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,"
        "suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
        "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
        "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,"
        "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,"
        "toothbrush").split(",")
# Those of COCO's classes that the training photographs show well.
TEN = "person car motorcycle bus truck cat dog horse sheep cow".split()
# Other names of the same things.
NAMES = {"aeroplane": "airplane", "motorbike": "motorcycle", "pottedplant": "potted plant",
         "diningtable": "dining table", "sofa": "couch", "tvmonitor": "tv", "ambulance": "truck"}
# Within a group a second box on the same thing is the same thing under another name.
GROUPS = [{"car", "bus", "truck", "train"}, {"bicycle", "motorcycle"}, {"chair", "couch", "bed"},
          {"cat", "dog", "horse", "sheep", "cow", "bear", "elephant", "zebra", "giraffe", "bird"}]
CROWD = 9.0   # the score of an ignored region that is a crowd; lower ones are a teacher's guesses


@dataclass
class Picture:
    path: Path
    rows: np.ndarray           # float32 [n, 6]
    source: str = ""
    known: frozenset = None    # names that the source annotates; None: all


def name_of(text):
    text = text.strip().replace("_", " ")
    return NAMES.get(text.replace(" ", ""), text)


def numbers(path):
    """The rows of a text file of numbers; none where there is no file."""
    if not path.exists():
        return []
    return [[float(v) for v in line.split()] for line in path.read_text().splitlines() if line.strip()]


def corners(cx, cy, w, h):
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def table(rows):
    out = np.array(rows, np.float32).reshape(-1, 6)
    out[:, 1:5] = out[:, 1:5].clip(0, 1)
    return out


def yolo(root, split, labels):
    """`<split>/images`, `<split>/labels/<stem>.txt`, `<split>/ignore/<stem>.txt` and classes.txt; manifest.tsv, where
    there is one, tells which classes each picture's source annotates."""
    root = Path(root)
    names = [name_of(line) for line in (root / "classes.txt").read_text().split("\n") if line]
    manifest = {}
    if (root / "manifest.tsv").exists():
        for line in (root / "manifest.tsv").read_text().splitlines()[1:]:
            part, stem, source, *_, classes = line.split("\t")
            manifest[part, stem] = source, frozenset(names[int(c)] for c in classes.split(","))
    pictures = []
    for path in sorted((root / split / "images").glob("*.*")):
        rows = []
        for c, *box in numbers(root / split / "labels" / f"{path.stem}.txt"):
            name = names[int(c)]
            if name in labels:
                rows.append([labels.index(name), *corners(*box), 1.0])
        for c, cx, cy, w, h, score in numbers(root / split / "ignore" / f"{path.stem}.txt"):
            rows.append([UNKNOWN, *corners(cx, cy, w, h), score])
        pictures.append(Picture(path, table(rows), *manifest.get((split, path.stem), ("", None))))
    return pictures


def voc(annotations, images, labels, stems=None):
    """A folder of Pascal VOC's XML files; objects marked difficult are unknown. `stems` picks the split's."""
    pictures = []
    for file in sorted(Path(annotations).glob("*.xml")):
        if stems is not None and file.stem not in stems:
            continue
        tree = ElementTree.parse(file).getroot()
        w, h = (float(tree.find("size").find(key).text) for key in ("width", "height"))
        rows = []
        for thing in tree.iter("object"):
            box = [float(thing.find("bndbox").find(key).text) for key in ("xmin", "ymin", "xmax", "ymax")]
            name, hard = name_of(thing.find("name").text), (thing.findtext("difficult") or "0").strip() == "1"
            if name in labels or hard:
                kind = UNKNOWN if hard or name not in labels else labels.index(name)
                rows.append([kind, (box[0] - 1) / w, (box[1] - 1) / h, box[2] / w, box[3] / h, 1.0])
        pictures.append(Picture(Path(images) / tree.find("filename").text, table(rows), "voc"))
    return pictures


def coco(instances, images, labels):
    """COCO's instances JSON; a crowd is unknown."""
    text = json.loads(Path(instances).read_text())
    names = {c["id"]: name_of(c["name"]) for c in text["categories"]}
    rows = {image["id"]: [] for image in text["images"]}
    size = {image["id"]: (image["width"], image["height"]) for image in text["images"]}
    for a in text["annotations"]:
        if names[a["category_id"]] in labels:
            (x, y, bw, bh), (w, h) = a["bbox"], size[a["image_id"]]
            crowd = a.get("iscrowd", 0)
            kind = labels.index(names[a["category_id"]])
            rows[a["image_id"]].append([UNKNOWN if crowd else kind, x / w, y / h, (x + bw) / w, (y + bh) / h,
                                        CROWD if crowd else 1.0])
    return [Picture(Path(images) / image["file_name"], table(rows[image["id"]]), "coco") for image in text["images"]]


def taught(pictures, folder, labels, sure=0.3, sure_known=0.5):
    """Adds what a teacher sees and the annotations lack. Above `sure` it is a label with the teacher's score, below it
    is unknown; in a class that the source annotates the teacher must be surer."""
    for picture in pictures:
        path = Path(folder) / f"{picture.path.stem}.txt"
        if not path.exists():
            continue
        own = picture.rows[picture.rows[:, 0] != UNKNOWN]
        rows = []
        for c, cx, cy, w, h, score in numbers(path):
            name, box = COCO[int(c)], np.array(corners(cx, cy, w, h))
            if name not in labels:
                continue
            like = [labels.index(n) for n in alike(name) if n in labels]
            near = own[np.isin(own[:, 0], like)]
            if len(near) and overlaps(box, near[:, 1:5]).max() > 0.45:
                continue
            # A box inside another one of its kind is often a part of it (a truck's cab) and at times a second thing.
            seen = np.concatenate([near, [row for row in rows if row[0] in like and row[5] > score] or table([])])
            known = picture.known is None or name in picture.known
            sound = score >= (sure_known if known else sure) and inside(box, seen[:, 1:5]) < 0.85
            rows.append([labels.index(name) if sound else UNKNOWN, *box, score])
        # What the data set itself tells to ignore are an earlier teacher's guesses: this one's take their place.
        picture.rows = np.concatenate([own, table(rows)])
    return pictures


def alike(name):
    return next((group for group in GROUPS if name in group), {name})
