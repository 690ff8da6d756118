"""Decoded pictures in one file that is mapped into memory, so that an epoch decodes nothing."""
import json
from pathlib import Path

import cv2
import numpy as np

from progress import Bar


class Store:
    """uint8 RGB pictures, the longer side at most `longest`. Made once, in `path` and `path`.json."""

    def __init__(self, path, pictures, longest=352):
        self.path, index = Path(path), Path(f"{path}.json")
        names = [str(p.path) for p in pictures]
        if not index.exists() or json.loads(index.read_text())["names"] != names:
            index.write_text(json.dumps({"names": names, "shapes": self.write(names, longest)}))
        self.shapes = json.loads(index.read_text())["shapes"]
        self.starts = np.concatenate([[0], np.cumsum([3 * h * w for h, w in self.shapes])])
        self.bytes = np.memmap(self.path, np.uint8, "r")

    def write(self, names, longest):
        shapes, bar = [], Bar("decoding", len(names))
        with open(self.path, "wb") as out:
            for k, name in enumerate(names):
                picture = cv2.cvtColor(cv2.imread(name), cv2.COLOR_BGR2RGB)
                h, w, _ = picture.shape
                if max(h, w) > longest:
                    scale = longest / max(h, w)
                    size = max(1, round(w * scale)), max(1, round(h * scale))
                    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                shapes.append(picture.shape[:2])
                out.write(picture.tobytes())
                bar.show(k + 1)
        return shapes

    def __len__(self):
        return len(self.shapes)

    def __getitem__(self, k):
        h, w = self.shapes[k]
        return self.bytes[self.starts[k]:self.starts[k + 1]].reshape(h, w, 3)
