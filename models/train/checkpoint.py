"""What the trainers keep between epochs: checkpoints that survive a cut, averaged weights, seeds, a log."""
import json
import random
from pathlib import Path

import numpy as np
import torch


def device_of(wish):
    """`auto` is the GPU where there is one."""
    return torch.device("cuda" if wish == "auto" and torch.cuda.is_available() else "cpu" if wish == "auto" else wish)


def sow(*numbers):
    """Seeds every generator from some numbers (seed, epoch, ...), so that an epoch is the same after a restart."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def keep(path, **parts):
    """Writes a checkpoint beside its place and then renames it, so that a cut leaves a whole one."""
    new = Path(f"{path}.new")
    torch.save(parts, new)
    new.replace(path)


def kept(path, device="cpu"):
    """The checkpoint, or None before the first one."""
    return torch.load(path, map_location=device) if Path(path).exists() else None


def averaged(slow, fast, share):
    """slow = share * slow + (1 - share) * fast, statistics of the norms included; counters are copied."""
    with torch.no_grad():
        for s, f in zip(slow.state_dict().values(), fast.state_dict().values()):
            if s.dtype.is_floating_point:
                s.mul_(share).add_(f, alpha=1 - share)
            else:
                s.copy_(f)


class Log:
    """One JSON object a line for each epoch; a restart drops the lines of epochs that are done again."""

    def __init__(self, path, epochs_done):
        self.path = Path(path)
        self.rows = [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []
        self.rows = [row for row in self.rows if row["epoch"] <= epochs_done]

    def add(self, **row):
        self.rows.append(row)
        self.path.write_text("".join(json.dumps(r) + "\n" for r in self.rows))
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
