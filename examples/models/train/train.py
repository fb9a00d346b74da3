"""Trains the tiny models, stage by stage; each stage resumes from its own checkpoint. See README.md.

    python3 train.py STAGE [--steps N] [--work DIR]
"""
import argparse
import importlib
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import torch

STAGES = {"vae": ("base", "train_vae"), "text": ("base", "train_text"), "latents": ("base", "cache_latents"), "unet": ("base", "train_unet"),
          "inpaint": ("inpaint", "train"), "control": ("control", "train"), "pool": ("pool", "make"), "clip": ("clip", "train"),
          "safety": ("safety", "train"), "x2": ("upscale", "train_x2"), "x4": ("upscale", "train_x4")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--work", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "work"))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    torch.set_num_threads(1)
    module, function = STAGES[args.stage]
    getattr(importlib.import_module(module), function)(args)


if __name__ == "__main__":
    main()
