#!/usr/bin/env python3
"""Trains the classifier of CIFAR-10; the same command goes on after a cut.

    apt-get install python3-torch python3-pil python3-numpy
    nice -n 19 /usr/bin/python3 models/train/train_cifar10.py DATA --work /tmp/cifar10

DATA holds cifar10_train.tar.gz and cifar10_test.tar.gz, or the folders train and test, each with a folder of pictures
for every class. The last epoch's averaged weights are the result: nothing is chosen by the test pictures.
"""
import argparse
import time
from pathlib import Path

import torch
from torch.nn import functional as F

import checkpoint
import cifar10
import cifar10_data
from progress import Bar


def rate(done):
    """One cycle: up during the first fifth, then down in a straight line."""
    return 0.2 + 0.8 * done / 0.2 if done < 0.2 else 0.01 + 0.99 * (1 - done) / 0.8


def accuracy(net, pictures, labels, device):
    net.eval()
    right = 0
    with torch.no_grad():
        for k in range(0, len(labels), 500):
            x = cifar10.normalised(pictures[k:k + 500].to(device)).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                right += (net(x).argmax(1).cpu() == labels[k:k + 500]).sum().item()
    return right / len(labels)


def optimiser(net, batch, args):
    """Rates are those of a mean over the batch; a norm's bias learns 64 times faster than a weight."""
    norms = [p for name, p in net.named_parameters() if "norm" in name and p.requires_grad]
    rest = [p for name, p in net.named_parameters() if "norm" not in name and p.requires_grad]
    base = args.rate * batch / 1000
    decay = args.decay / args.rate
    return torch.optim.SGD([{"params": rest, "base": base, "weight_decay": decay},
                            {"params": norms, "base": base * 64, "weight_decay": decay / 64}],
                           lr=base, momentum=0.85, nesterov=True)


def one_epoch(net, slow, step_of, data, epoch, args, device):
    pictures, labels = data
    checkpoint.sow(args.seed, epoch)
    order = torch.randperm(len(labels))
    # A picture is seen mirrored every second epoch, which half begins is drawn once.
    first = torch.rand(len(labels), generator=torch.Generator().manual_seed(args.seed)) < 0.5
    steps = len(labels) // args.batch
    bar, mean = Bar(f"epoch {epoch + 1}/{args.epochs}", steps), None
    net.train()
    for step in range(steps):
        pick = order[step * args.batch:(step + 1) * args.batch]
        done = (epoch + step / steps) / args.epochs
        for group in step_of.param_groups:
            group["lr"] = group["base"] * rate(done)
        x = cifar10.normalised(pictures[pick].to(device))
        x = cifar10.changed(x, (first[pick] ^ bool(epoch % 2)).to(device))
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = net(x)
        loss = F.cross_entropy(logits.float(), labels[pick].to(device), label_smoothing=0.1)
        step_of.zero_grad()
        loss.backward()
        step_of.step()
        now = epoch * steps + step
        checkpoint.averaged(slow, net, min(1 - 1 / (0.6 * steps), now / (now + 10)))
        mean = loss.item() if mean is None else mean * 0.95 + loss.item() * 0.05
        bar.show(step + 1, f"loss {mean:.3f}")
    return mean


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("data", type=Path)
    args.add_argument("--work", type=Path, required=True, help="for the checkpoint and the log")
    args.add_argument("--epochs", type=int, default=32)
    args.add_argument("--until", type=int, help="stop after this epoch; the rate stays that of --epochs")
    args.add_argument("--batch", type=int, default=500)
    args.add_argument("--rate", type=float, default=1.2, help="for a batch of 1,000")
    args.add_argument("--decay", type=float, default=0.0014, help="of a weight in a step of 1,000")
    args.add_argument("--widths", type=int, nargs=3, default=cifar10.WIDTHS)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--threads", type=int, default=2)
    args.add_argument("--device", default="auto")
    args.add_argument("--few", type=int, help="this many pictures of each class, to see that it runs")
    args = args.parse_args()
    device = checkpoint.device_of(args.device)
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)

    def split(name):
        packed = args.data / f"cifar10_{name}.tar.gz"
        pictures, labels = cifar10_data.read(packed if packed.exists() else args.data / name, args.few)
        return torch.from_numpy(pictures), torch.from_numpy(labels)

    train, test = split("train"), split("test")
    checkpoint.sow(args.seed)
    net = cifar10.Network(args.widths)
    net.set_whitening(cifar10.normalised(train[0][torch.randperm(len(train[1]))[:2000]]))
    net = net.to(device, memory_format=torch.channels_last)
    slow = cifar10.Network(args.widths).to(device, memory_format=torch.channels_last)
    slow.load_state_dict(net.state_dict())
    step_of = optimiser(net, args.batch, args)
    saved = checkpoint.kept(args.work / "last.pt", device)
    if saved:
        net.load_state_dict(saved["net"])
        slow.load_state_dict(saved["slow"])
        step_of.load_state_dict(saved["step_of"])
    begin = saved["epoch"] if saved else 0
    log = checkpoint.Log(args.work / "log.jsonl", begin)
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters} parameters, {len(train[1])} pictures, from epoch {begin}", flush=True)
    for epoch in range(begin, args.until or args.epochs):
        start = time.time()
        loss = one_epoch(net, slow, step_of, train, epoch, args, device)
        minutes = (time.time() - start) / 60
        log.add(epoch=epoch + 1, loss=loss, test=accuracy(slow, *test, device), minutes=minutes)
        checkpoint.keep(args.work / "last.pt", net=net.state_dict(), slow=slow.state_dict(),
                        step_of=step_of.state_dict(), epoch=epoch + 1, widths=list(args.widths))


if __name__ == "__main__":
    main()
