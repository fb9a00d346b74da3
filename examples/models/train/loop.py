"""What every stage of the training shares: checkpoints, schedule, EMA, and the loop that ties them."""
import copy
import math
import os
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import torch


def work(args, name):
    return os.path.join(args.work, name)


def save(path, **state):
    torch.save(state, path + ".new")
    os.replace(path + ".new", path)


def resume(path):
    return torch.load(path, map_location="cpu") if os.path.exists(path) else None


def cosine(step, steps, peak, floor=0.03, warmup=50):
    if step < warmup:
        return peak * (step + 1) / warmup
    at = min(1.0, (step - warmup) / max(1, steps - warmup))
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * at)))


def set_lr(opt, lr):
    for group in opt.param_groups:
        group["lr"] = lr


class EMA:
    def __init__(self, net, decay):
        self.net, self.decay = copy.deepcopy(net).eval(), decay

    @torch.no_grad()
    def update(self, net, step):
        decay = min(self.decay, (1 + step) / (10 + step))
        for a, b in zip(self.net.parameters(), net.parameters()):
            a.lerp_(b, 1 - decay)


class Loop:
    """Optimiser, EMA, schedule, checkpoint and log of one stage."""

    def __init__(self, args, name, module, steps, lr, decay=0.999, every=60):
        self.path, self.name, self.module, self.steps, self.lr, self.every = work(args, name + ".pt"), name, module, steps, lr, every
        self.opt = torch.optim.AdamW(module.parameters(), lr, betas=(0.9, 0.99), weight_decay=1e-3)
        self.ema, self.step, self.seconds, self.rank = EMA(module, decay), 0, 0.0, 0
        state = resume(self.path)
        if state:
            module.load_state_dict(state["net"])
            self.ema.net.load_state_dict(state["ema"])
            self.opt.load_state_dict(state["opt"])
            self.step, self.seconds = state["step"], state["seconds"]
        self.saved, self.losses = time.time(), []

    def update(self, loss):
        set_lr(self.opt, cosine(self.step, self.steps, self.lr))
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.opt.step()
        self.ema.update(self.module, self.step)
        self.step += 1
        self.losses.append(loss.item())

    def report(self, every, extra=""):
        if self.step % every == 0 and self.rank == 0:
            print("%s %d/%d loss %.4f %s %.0fs" % (self.name, self.step, self.steps, np.mean(self.losses), extra,
                                                  self.seconds + time.time() - self.saved), flush=True)
            self.losses = []
        if self.rank == 0 and (time.time() - self.saved > self.every or self.step == self.steps):
            self.save()

    def save(self):
        self.seconds += time.time() - self.saved
        self.saved = time.time()
        save(self.path, net=self.module.state_dict(), ema=self.ema.net.state_dict(), opt=self.opt.state_dict(),
             step=self.step, seconds=self.seconds)
