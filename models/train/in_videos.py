#!/usr/bin/env python3
"""How often a detector sees people in videos where a reference sees them, and boxes where the reference sees nobody.

    python3 models/train/in_videos.py sightglass-nano REFERENCE CLIP...

Both are names or folders of models as `sightglass detect --model` takes them. A frame has a person if the reference scores
one at 0.4, and nobody if it scores none at 0.2. Boxes of the model count from its own threshold, or from --threshold.
"""
import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PERSON, NOBODY = 0.4, 0.2


def detected(program, model, clip, threshold):
    """Of each frame the list of (label, score)."""
    more = ["--threshold", str(threshold)] if threshold is not None else []
    words = [program, "detect", clip, "--model", model, "--precision", "f32", *more]
    lines = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout.splitlines()
    events = (json.loads(line) for line in lines)
    return [[(d["label"], d["score"]) for d in e["detections"]] for e in events if e["type"] == "frame"]


def best(found, label="person"):
    return max((score for name, score in found if name == label), default=0.0)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("model")
    args.add_argument("reference")
    args.add_argument("clips", type=Path, nargs="+")
    args.add_argument("--threshold", type=float)
    args.add_argument("--program", default=ROOT / "target/release/sightglass")
    args = args.parse_args()
    print("| clip | frames | with a person | seen | with nobody | of these with any box | with a person |")
    print("|---|---|---|---|---|---|---|")
    for clip in args.clips:
        sure = detected(args.program, args.reference, clip, NOBODY)
        found = detected(args.program, args.model, clip, args.threshold)
        assert len(sure) == len(found), clip
        people = [mine for mine, its in zip(found, sure) if best(its) >= PERSON]
        nobody = [mine for mine, its in zip(found, sure) if not best(its)]

        def share(frames, what):
            return f"{sum(map(bool, map(what, frames))) / len(frames):.3f}" if frames else "-"

        print(f"| {clip.name} | {len(found)} | {len(people)} | {share(people, best)} | {len(nobody)} | "
              f"{share(nobody, len)} | {share(nobody, best)} |", flush=True)


if __name__ == "__main__":
    main()
