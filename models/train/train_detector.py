#!/usr/bin/env python3
"""Trains the detector on photographs; the same command goes on after a cut.

    apt-get install python3-torch python3-opencv python3-pil python3-numpy
    nice -n 19 /usr/bin/python3 models/train/train_detector.py DATA --teacher DATA/teacher --work /tmp/nano

DATA is a folder as data.py's `yolo` reads it; `--voc` and `--coco` add others. An epoch is the same whenever it is run:
every sample is drawn from (seed, epoch, number). The last epoch's averaged weights are the result.
"""
import argparse
import json
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import anchors as anchor_sizes
import augment
import checkpoint
import data
import figures
import imitate
import loss
import nano
import photos
from progress import Bar
from store import Store

LABELS = "person bicycle car motorcycle bus truck bird cat dog horse sheep cow bottle chair couch".split() + [
    "potted plant", "dining table", "tv"]


class Samples(torch.utils.data.Dataset):
    """Training samples by (epoch, number, size, share of mosaics)."""

    def __init__(self, store, pictures, seed, often=(), teacher=None):
        self.store, self.rows, self.seed, self.teacher = store, [p.rows for p in pictures], seed, teacher
        # Numbers of pictures; those with a class of `often` stand once more each time it is named.
        self.deck = np.repeat(np.arange(len(pictures)), [1 + sum(c in p.rows[:, 0] for c in often) for p in pictures])

    def __getitem__(self, key):
        epoch, number, size, several = key
        cv2.setNumThreads(0)
        rng = np.random.default_rng((self.seed, epoch, number))
        first = [number]

        def pick():
            k = first.pop() if first else int(rng.choice(self.deck))
            return self.store[k], self.rows[k]

        picture, rows = augment.arranged(rng, pick, size, several)
        seen = self.teacher.see(picture, rng) if self.teacher else None
        return torch.from_numpy(np.ascontiguousarray(augment.spoilt(rng, picture))), rows, seen


def together(samples):
    """uint8 [N, size, size, 3], targets [T, 7] as loss.py wants them, and what a teacher sees, as imitate.py wants it."""
    targets = []
    for k, (_, rows, _) in enumerate(samples):
        centre, sides = (rows[:, 1:3] + rows[:, 3:5]) / 2, rows[:, 3:5] - rows[:, 1:3]
        targets.append(np.concatenate([np.full((len(rows), 1), k), rows[:, :1], centre, sides, rows[:, 5:]], 1))
    seen = [torch.from_numpy(np.stack(part)) for part in zip(*(s[2] for s in samples))] if samples[0][2] else None
    return torch.stack([s[0] for s in samples]), torch.from_numpy(np.concatenate(targets)).float(), seen


def batches(epoch, samples, args):
    """Lists of keys; a batch has one size. Smaller sizes first: more pictures for the same time."""
    rng = np.random.default_rng((args.seed, epoch))
    done = epoch / args.epochs
    base = args.size if done >= args.small_until else args.small
    several = 0.0 if done >= 1 - args.plain else args.mosaic
    count = len(samples.rows)
    order = rng.permutation(samples.deck)[:count]
    for k in range(0, count - args.batch + 1, args.batch):
        size = base + 32 * int(rng.integers(-1, 2)) if several else base
        yield [(epoch, int(n), size, several) for n in order[k:k + args.batch]]


def rate(done, epochs):
    """A rise of two epochs, then half a cosine down to a hundredth."""
    return min(1.0, 0.02 + done * epochs / 2) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))


def one_epoch(net, slow, imitation, step_of, samples, epoch, spec, args, device):
    checkpoint.sow(args.seed, epoch)
    keys = list(batches(epoch, samples, args))
    loader = torch.utils.data.DataLoader(samples, batch_sampler=keys, collate_fn=together, num_workers=args.workers,
                                         prefetch_factor=4 if args.workers else 2)
    bar, mean = Bar(f"epoch {epoch + 1}/{args.epochs}", len(keys)), None
    net.train()
    for step, (images, targets, seen) in enumerate(loader):
        now = epoch * len(keys) + step
        for group in step_of.param_groups:
            group["lr"] = args.rate * rate(now / len(keys) / args.epochs, args.epochs)
        x = (images.to(device).permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            features = net.features(x)
            raw = net.told(features)
            unlike = imitation(features, *(part.to(device) for part in seen)) if seen else raw[0].new_zeros(())
        total, parts = loss.loss_of(raw, targets.to(device), spec["anchors"], nano.STRIDES, nano.SCALE_X_Y)
        total, parts = total + args.alike * unlike, torch.cat([parts, unlike.detach()[None]])
        step_of.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        step_of.step()
        checkpoint.averaged(slow, net, 0.999 * (1 - math.exp(-(now + 1) / 500)))
        parts = parts.cpu().numpy()
        mean = parts if mean is None else mean * 0.98 + parts * 0.02
        bar.show(step + 1, "box {:.3f} object {:.3f} class {:.3f} unlike {:.3f}".format(*mean))
    return mean


def pictures_of(args):
    pictures = data.yolo(args.data, "train", LABELS) if args.data else []
    if args.teacher:
        pictures = data.taught(pictures, args.teacher / "train", LABELS, args.sure)
    for folder in args.voc:
        pictures += data.voc(folder / "Annotations", folder / "JPEGImages", LABELS)
    for file, images in args.coco:
        pictures += data.coco(file, images, LABELS)
    return pictures[::max(1, len(pictures) // args.few)][:args.few] if args.few else pictures


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data", type=Path, nargs="?")
    args.add_argument("--teacher", type=Path, help="what teach.py wrote")
    args.add_argument("--imitate", type=Path, help="a YOLOX file that looks at every sample (imitate.py)")
    args.add_argument("--alike", type=float, default=1.0, help="weight of being like it")
    args.add_argument("--start", type=Path, help="a checkpoint whose averaged weights to begin with")
    args.add_argument("--sure", type=float, default=0.1, help="a teacher's score from which its box is a label")
    args.add_argument("--voc", type=Path, nargs="*", default=[], help="VOC2007 or VOC2012 folders")
    args.add_argument("--coco", type=Path, nargs=2, action="append", default=[], metavar=("JSON", "IMAGES"))
    args.add_argument("--work", type=Path, required=True, help="for decoded pictures, checkpoint and log")
    args.add_argument("--epochs", type=int, default=120)
    args.add_argument("--until", type=int, help="stop after this epoch; the rate stays that of --epochs")
    args.add_argument("--batch", type=int, default=32)
    args.add_argument("--rate", type=float, default=2e-3)
    args.add_argument("--size", type=int, default=352)
    args.add_argument("--small", type=int, default=256, help="size until --small-until")
    args.add_argument("--small-until", type=float, default=0.6, help="share of the epochs")
    args.add_argument("--mosaic", type=float, default=0.6, help="share of samples of four pictures")
    args.add_argument("--often", nargs="*", default=["person"],
                      help="labels whose pictures are shown once more, and again for each time that the label is named")
    args.add_argument("--plain", type=float, default=0.08, help="share of the epochs, at the end, without mosaics")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--threads", type=int, default=1)
    args.add_argument("--workers", type=int, default=1)
    args.add_argument("--every", type=int, default=5, help="epochs between examinations on the held-out pictures")
    args.add_argument("--device", default="auto")
    args.add_argument("--few", type=int, help="only so many pictures, to see that it runs")
    return args.parse_args()


def main():
    args = arguments()
    device = checkpoint.device_of(args.device)
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    pictures = pictures_of(args)
    store = Store(args.work / "pictures.u8", pictures)
    file = args.work / "spec.json"
    if not file.exists():
        found, fit = anchor_sizes.of(pictures, store.shapes, args.size)
        file.write_text(json.dumps({"labels": LABELS, "anchors": found, "fit": fit, "size": args.size}))
    spec = json.loads(file.read_text())
    checkpoint.sow(args.seed)
    net = nano.Nano(len(LABELS)).to(device, memory_format=torch.channels_last)
    slow = nano.Nano(len(LABELS)).to(device, memory_format=torch.channels_last)
    if args.start:
        net.load_state_dict(torch.load(args.start, map_location=device)["slow"])
    slow.load_state_dict(net.state_dict())
    imitation = imitate.Imitation([head.in_channels for head in net.heads]).to(device)
    learned = [*net.parameters(), *imitation.parameters()]
    decayed = [p for p in learned if p.ndim > 1]
    rest = [p for p in learned if p.ndim <= 1]
    step_of = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.03}, {"params": rest, "weight_decay": 0.0}],
                                lr=args.rate)
    saved = checkpoint.kept(args.work / "last.pt", device)
    if saved:
        net.load_state_dict(saved["net"])
        slow.load_state_dict(saved["slow"])
        imitation.load_state_dict(saved["imitation"])
        step_of.load_state_dict(saved["step_of"])
    begin = saved["epoch"] if saved else 0
    log = checkpoint.Log(args.work / "log.jsonl", begin)
    labels = [sum(int((p.rows[:, 0] == c).sum()) for p in pictures) for c in range(-1, len(LABELS))]
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters} parameters, {len(pictures)} pictures, from epoch {begin}; boxes: "
          + ", ".join(f"{n} {name}" for n, name in zip(labels, ["unknown", *LABELS])), flush=True)
    samples = Samples(store, pictures, args.seed, [LABELS.index(name) for name in args.often],
                      imitate.Teacher(args.imitate) if args.imitate else None)
    for epoch in range(begin, args.until or args.epochs):
        start = time.time()
        parts = one_epoch(net, slow, imitation, step_of, samples, epoch, spec, args, device)
        checkpoint.keep(args.work / "last.pt", net=net.state_dict(), slow=slow.state_dict(),
                        imitation=imitation.state_dict(), step_of=step_of.state_dict(), epoch=epoch + 1, spec=spec)
        row = {"epoch": epoch + 1, **{name: float(v) for name, v in zip(("box", "object", "class", "unlike"), parts)},
               "minutes": (time.time() - start) / 60}
        if args.data and ((epoch + 1) % args.every == 0 or epoch + 1 == args.epochs):
            held = data.yolo(args.data, "heldout", LABELS)[:args.few]
            found = figures.measured(photos.Torch(slow, spec, args.size, device).detect, held, LABELS)
            row["ap50"], row["ap"] = found.mean(data.TEN)
            row["person"] = found.mean(["person"])[0]
        log.add(**row)


if __name__ == "__main__":
    main()
