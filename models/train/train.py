#!/usr/bin/env python3
"""Trains the default detector on scenes made on the fly and writes the ONNX file.

    apt-get install python3-torch python3-pil python3-numpy
    nice -n 19 /usr/bin/python3 models/train/train.py --minutes 36 --out fixtures/models/shapes/1/model.onnx

One process paints scenes into a ring in shared memory; the trainer draws batches from the ring, turned and recoloured,
so that a slow painter never stops it.
"""
import argparse
import math
import multiprocessing as mp
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import checkpoint
import network
import scenes
import shapes
from loss import giou

MOST = 10    # objects a scene can have
SIZE = 320
FRESH = 0.4  # new scenes per scene shown, once the ring is full


def painter(pictures, objects, made, shown, slots, seed):
    rng = np.random.default_rng(seed)
    pictures = np.frombuffer(pictures, np.uint8).reshape(slots, SIZE, SIZE, 3)
    objects = np.frombuffer(objects, np.float32).reshape(slots, MOST, 5)
    while True:
        picture, found = scenes.scene(rng, SIZE)
        while made.value > slots and made.value > shown.value * FRESH:  # leave the processor to the trainer
            time.sleep(0.2)
        slot = made.value % slots
        row = np.full((MOST, 5), -1, np.float32)
        row[:min(len(found), MOST)] = found[:MOST]
        pictures[slot], objects[slot] = picture, row
        made.value += 1


def batch(rng, pictures, objects, have, n, size):
    """n scenes of the ring, each one mirrored, turned, recoloured or inverted as a whole."""
    images = np.empty((n, SIZE, SIZE, 3), np.uint8)
    targets = []
    for k, slot in enumerate(rng.integers(0, have, n)):
        p, o = pictures[slot], objects[slot].copy()
        o = o[o[:, 0] >= 0]
        if rng.random() < 0.5:
            p = p[:, ::-1]
            o[:, [1, 3]] = SIZE - o[:, [3, 1]]
        if rng.random() < 0.5:
            p = p[::-1]
            o[:, [2, 4]] = SIZE - o[:, [4, 2]]
        if rng.random() < 0.5:
            p = p.transpose(1, 0, 2)
            o = o[:, [0, 2, 1, 4, 3]]
        if rng.random() < 0.5:
            p = p[..., rng.permutation(3)]
        if rng.random() < 0.25:
            bars = (p == scenes.PAD).all(2, keepdims=True)
            p = np.where(bars, p, 255 - p)
        images[k] = p
        o[:, 1:] *= size / SIZE
        targets += [[k, *row] for row in o]
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)
    if size != SIZE:
        x = F.interpolate(x, size=(size, size), mode="bilinear")
    return x.contiguous(memory_format=torch.channels_last), torch.tensor(targets, dtype=torch.float32).view(-1, 6)


def loss_of(raw, targets):
    """YOLOv3's loss: each object is told by its best anchor and by every other one of similar size; confident boxes
    that overlap an object without being its own are left alone."""
    classes = len(shapes.LABELS)
    size = raw[0].shape[-1] * network.STRIDES[0]
    boxes = torch.cat([(targets[:, 2:4] + targets[:, 4:6]) / 2, targets[:, 4:6] - targets[:, 2:4]], 1)
    anchors = torch.tensor(network.ANCHORS, dtype=torch.float32).view(6, 2)
    small = torch.minimum(boxes[:, None, 2:], anchors).prod(-1)
    alike = small / (boxes[:, None, 2:].prod(-1) + anchors.prod(-1) - small)
    take = (alike > 0.45) | (alike == alike.max(1, keepdim=True).values)
    total, count = 0.0, len(targets) + 1
    for head, (r, stride) in enumerate(zip(raw, network.STRIDES)):
        pred, logits = network.decode(r.float(), network.ANCHORS[head], stride)
        n, _, h, w, _ = pred.shape
        want = torch.zeros(pred.shape[:4])
        care = torch.ones(pred.shape[:4])
        with torch.no_grad():
            for k in range(n):
                own = boxes[targets[:, 0] == k]
                if len(own):
                    near = giou(pred[k].reshape(-1, 1, 4), own[None])[0].max(1).values.view(3, h, w)
                    care[k][near > 0.6] = 0
        t, a = torch.nonzero(take[:, head * 3:head * 3 + 3], as_tuple=True)
        if len(t):
            k = targets[t, 0].long()
            gx = (boxes[t, 0] / stride).long().clamp(0, w - 1)
            gy = (boxes[t, 1] / stride).long().clamp(0, h - 1)
            got = pred[k, a, gy, gx]
            overlap, general = giou(got, boxes[t])
            weight = 2 - boxes[t, 2:].prod(1) / size ** 2  # small boxes matter as much
            kinds = F.one_hot(targets[t, 1].long(), classes).float() * 0.97 + 0.015
            total = total + ((1 - general) * weight).sum() * 2.0 / count
            total = total + F.binary_cross_entropy_with_logits(logits[k, a, gy, gx, 1:], kinds, reduction="sum") / count
            want[k, a, gy, gx] = 1
            care[k, a, gy, gx] = 1
        obj = F.binary_cross_entropy_with_logits(logits[..., 0], want, reduction="none") * care
        total = total + (obj * torch.where(want > 0, 1.0, 0.6)).sum() / count
    return total


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--minutes", type=float, default=36)
    args.add_argument("--batch", type=int, default=24)
    args.add_argument("--slots", type=int, default=12000, help="scenes kept in the ring (300 KB each)")
    args.add_argument("--seed", type=int, default=11)
    args.add_argument("--rate", type=float, default=2.5e-3)
    args.add_argument("--full", action="store_true", help="320 pixels from the start")
    args.add_argument("--threads", type=int, default=1, help="the painter takes a core of its own")
    args.add_argument("--resume", help="a checkpoint to go on from, where it stopped")
    args.add_argument("--start", help="a checkpoint (or unfold.py's) whose weights to begin a new run with")
    args.add_argument("--out", default="model.onnx")
    args.add_argument("--checkpoint", default="/tmp/shapes.pt")
    args = args.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(args.threads)
    pictures = mp.RawArray("B", args.slots * SIZE * SIZE * 3)
    objects = mp.RawArray("f", args.slots * MOST * 5)
    made, shown = mp.Value("l", 0, lock=False), mp.Value("l", 0, lock=False)
    seed = args.seed if not args.resume else int(time.time())  # fresh scenes, not the same ones again
    mp.Process(target=painter, args=(pictures, objects, made, shown, args.slots, seed), daemon=True).start()
    ring = np.frombuffer(pictures, np.uint8).reshape(args.slots, SIZE, SIZE, 3)
    truth = np.frombuffer(objects, np.float32).reshape(args.slots, MOST, 5)

    net = network.Detector(len(shapes.LABELS)).to(memory_format=torch.channels_last)
    saved = torch.load(args.resume or args.start) if args.resume or args.start else None
    if saved:
        net.load_state_dict(saved["net" if args.resume else "slow"])
    slow = network.Detector(len(shapes.LABELS)).to(memory_format=torch.channels_last)
    slow.load_state_dict(saved["slow"] if args.resume else net.state_dict())
    print(sum(p.numel() for p in net.parameters()), "parameters", flush=True)
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    step_of = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}],
                                lr=args.rate)
    rng = np.random.default_rng(5)
    step, seen, mean, before = 0, 0, None, 0.0
    if args.resume:
        step_of.load_state_dict(saved["step_of"])
        step, seen, before = saved["step"], saved["seen"], saved["minutes"]
        rng = np.random.default_rng((5, step))
    while made.value < 400:
        time.sleep(0.2)
    last = time.time()
    start = last - before * 60
    while (done := (time.time() - start) / 60 / args.minutes) < 1:
        # Half-size first: more scenes for the same time; the last part at full size.
        size = SIZE if args.full else 224 if done < 0.25 else 256 if done < 0.5 else SIZE
        warm = min(1.0, step / 200)
        for group in step_of.param_groups:
            group["lr"] = args.rate * warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))
        x, targets = batch(rng, ring, truth, min(made.value, args.slots), args.batch, size)
        net.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            raw = net(x)
        loss = loss_of(raw, targets)
        step_of.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        step_of.step()
        checkpoint.averaged(slow, net, min(0.998, step / (step + 20)))
        step, seen = step + 1, seen + args.batch
        shown.value += args.batch
        mean = loss.item() if mean is None else mean * 0.98 + loss.item() * 0.02
        if step % 50 == 0:
            print(f"{(time.time() - start) / 60:6.2f} min  step {step}  seen {seen}  made {made.value}  size {size}  "
                  f"loss {mean:.3f}", flush=True)
        if time.time() - last > 120:
            last = time.time()
            checkpoint.keep(args.checkpoint, net=net.state_dict(), slow=slow.state_dict(), step_of=step_of.state_dict(),
                 step=step, seen=seen, minutes=(last - start) / 60)
    checkpoint.keep(args.checkpoint, net=net.state_dict(), slow=slow.state_dict(), step_of=step_of.state_dict(), step=step,
         seen=seen, minutes=(time.time() - start) / 60)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    network.export(network.folded(slow), args.out, SIZE, ["yolo0", "yolo1"])
    print("made", made.value, "scenes, saw", seen, flush=True)


if __name__ == "__main__":
    main()
