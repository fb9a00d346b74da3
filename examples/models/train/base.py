"""The base family's stages: VAE, text encoder, cached latents, UNet."""
import json
import math
import os
import random
import time

import numpy as np
import torch
from torch import distributed
from torch.nn import functional as F

import bpe
import nets
import world
from loop import Loop, work

SCENES = 64000  # cached latents for the UNet
SCENES_SEED = 1000


# VAE: norm-free and fully convolutional, so 64 px windows of the 128 px canvas train it for any size.

def window(rng, s, size=64):
    o = rng.choice(s.objects)
    low, high = 0, world.SIDE - size
    if rng.random() < 0.25:
        x, y = rng.uniform(low, high), rng.uniform(low, high)
    else:
        x, y = o.x + rng.gauss(0, o.r * 0.7) - size / 2, o.y + rng.gauss(0, o.r * 0.7) - size / 2
    x, y = int(min(max(x, low), high)), int(min(max(y, low), high))
    return (x, y, x + size, y + size)


def to_tensor(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def edges(x):
    return x[:, :, :, 1:] - x[:, :, :, :-1], x[:, :, 1:] - x[:, :, :-1]


def train_vae(args):
    torch.manual_seed(1)
    vae = torch.nn.ModuleDict({"encoder": nets.Encoder(), "decoder": nets.Decoder()})
    loop = Loop(args, "vae", vae, args.steps or 3000, 2e-3)
    rng = random.Random("vae %d" % loop.step)
    while loop.step < loop.steps:
        batch = [world.draw_scene(rng, two=0.3, plain=0.6) for _ in range(24)]
        x = to_tensor([world.render(s, 64, window(rng, s)) for s in batch])
        mean, logvar = vae["encoder"].moments(x)
        logvar = logvar.clamp(-20, 5)
        y = vae["decoder"].net(mean + torch.randn_like(mean) * (0.5 * logvar).exp())
        kl = 0.5 * (mean ** 2 + logvar.exp() - 1 - logvar).mean()
        slope = sum((a - b).abs().mean() for a, b in zip(edges(x), edges(y)))
        mse = ((x - y) ** 2).mean()
        loop.update((x - y).abs().mean() + mse + 0.5 * slope + 3e-4 * kl)
        loop.report(100, "psnr %.2f kl %.2f" % (10 * math.log10(4 / mse.item()), kl.item()))


def load_vae(args):
    state = torch.load(work(args, "vae.pt"))["ema"]
    encoder, decoder = nets.Encoder(), nets.Decoder()
    encoder.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("encoder.")})
    decoder.load_state_dict({k[8:]: v for k, v in state.items() if k.startswith("decoder.")})
    stats = work(args, "latents.json")
    if os.path.exists(stats):
        with open(stats) as f:
            s = json.load(f)
        for part in (encoder, decoder):
            part.mean.copy_(torch.tensor(s["mean"]).view(1, 4, 1, 1))
            part.std.copy_(torch.tensor(s["std"]).view(1, 4, 1, 1))
    return encoder.eval(), decoder.eval()


# Text: taught to tell every attribute of the scene from its last position, then frozen.

COLOURS_OR_NONE = world.COLOUR_NAMES + [None]
FIELDS = [world.RELATIONS + [None]] + [world.SHAPES + [None], COLOURS_OR_NONE] * 2 + [
    list(world.SIZES), world.POSITIONS, world.GROUNDS + [None], COLOURS_OR_NONE, COLOURS_OR_NONE, ["horizontal", "vertical", None]]


def targets(s, caption):
    first, second = s.objects[0], s.objects[1] if s.relation else None
    words = caption.split()
    said = any(w in caption for w in ("background", "backdrop", "gradient", "stripe")) or " on %s" % words[-1] in caption
    way = next((w for w in ("horizontal", "vertical") if w in words), None)
    grounds = (s.ground_colours + [None])[:2] if said else [None, None]
    values = [s.relation, first.shape, first.colour, second and second.shape, second and second.colour,
              first.size, first.position, s.ground if said else None, grounds[0], grounds[1], way]
    return [field.index(v) for field, v in zip(FIELDS, values)]


def tokenizer():
    return bpe.Tokenizer(*bpe.learn())


def train_text(args):
    torch.manual_seed(2)
    tok = tokenizer()
    text = nets.TextEncoder(len(tok.vocab))
    both = torch.nn.ModuleDict({"text": text, "attributes": nets.Attributes([len(f) for f in FIELDS])})
    loop = Loop(args, "text", both, args.steps or 1500, 1.5e-3)
    rng = random.Random("text %d" % loop.step)
    while loop.step < loop.steps:
        pairs = [(s, world.training_caption(rng, s)) for s in (world.draw_scene(rng, two=0.35, plain=0.6) for _ in range(192))]
        ids = torch.tensor([tok(c) for _, c in pairs])
        want = torch.tensor([targets(s, c) for s, c in pairs])
        out = both["attributes"](text(ids))
        loss = sum(F.cross_entropy(o, want[:, i]) for i, o in enumerate(out))
        right = torch.stack([o.argmax(1) == want[:, i] for i, o in enumerate(out)]).all(0).float().mean()
        loop.update(loss)
        loop.report(50, "all right %.3f" % right)


def load_text(args):
    tok = tokenizer()
    text = nets.TextEncoder(len(tok.vocab))
    state = torch.load(work(args, "text.pt"))["ema"]
    text.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith("text.")})
    return tok, text.eval()


# Latents: rendered and encoded once.

@torch.no_grad()
def cache_latents(args):
    encoder, _ = load_vae(args)
    out = np.lib.format.open_memmap(work(args, "latents.npy"), "w+", np.float16, (SCENES, 4, 16, 16))
    all_scenes = world.scenes(SCENES_SEED, SCENES)
    total, square, start = np.zeros(4), np.zeros(4), time.time()
    for i in range(0, SCENES, 64):
        mean = encoder.moments(to_tensor([world.render(s) for s in all_scenes[i:i + 64]]))[0].numpy()
        out[i:i + 64] = mean
        total += mean.mean((0, 2, 3))
        square += (mean.astype(np.float64) ** 2).mean((0, 2, 3))
        if i % 6400 == 0:
            print("latents %d/%d %.0fs" % (i, SCENES, time.time() - start), flush=True)
    n = SCENES // 64
    mean, std = total / n, np.sqrt(square / n - (total / n) ** 2)
    with open(work(args, "latents.json"), "w") as f:
        json.dump({"mean": mean.tolist(), "std": std.tolist()}, f)
    out.flush()
    print("mean %s std %s" % (mean, std))


def cached(args):
    """(function from a list of scene numbers to their latents of unit variance, the scenes)."""
    with open(work(args, "latents.json")) as f:
        stats = json.load(f)
    mean, std = (torch.tensor(stats[k]).float().view(1, 4, 1, 1) for k in ("mean", "std"))
    cache = np.load(work(args, "latents.npy"), mmap_mode="r")
    return lambda picked: (torch.from_numpy(cache[picked].astype(np.float32)) - mean) / std, world.scenes(SCENES_SEED, SCENES)


# UNet: v-prediction on the latents, the text frozen.

UNCONDITIONAL = 0.1


def v_batch(latents, alphas, generator):
    """Noisy latents, timesteps and the v target (Salimans and Ho 2022). Timesteps lean towards noise."""
    u = torch.rand(len(latents), generator=generator)
    t = (1000 * (1 - u ** 1.3)).long().clamp(0, 999)
    noise = torch.randn(latents.shape, generator=generator)
    a = alphas[t].view(-1, 1, 1, 1)
    return a.sqrt() * latents + (1 - a).sqrt() * noise, t, a.sqrt() * noise - (1 - a).sqrt() * latents


def average(loop, every):
    """Local SGD: every worker steps alone, and now and then all take the mean."""
    if distributed.is_initialized() and (loop.step % every == 0 or loop.step == loop.steps):
        flat = torch.cat([p.data.view(-1) for p in loop.module.parameters()])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        at = 0
        for p in loop.module.parameters():
            p.data.copy_(flat[at:at + p.numel()].view_as(p))
            at += p.numel()


def unet_worker(rank, args):
    os.nice(10)
    torch.set_num_threads(1)
    if args.workers > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29517")
        distributed.init_process_group("gloo", rank=rank, world_size=args.workers)
    torch.manual_seed(3)
    tok, text = load_text(args)
    latents, scenes = cached(args)
    alphas = nets.beta_schedule()
    loop = Loop(args, "unet", nets.UNet(), args.steps or 16000, args.lr)
    loop.rank = rank
    rng = random.Random("unet %d %d" % (rank, loop.step))
    generator = torch.Generator().manual_seed(rng.getrandbits(40))
    while loop.step < loop.steps:
        picked = [rng.randrange(SCENES) for _ in range(args.batch)]
        captions = ["" if rng.random() < UNCONDITIONAL else world.training_caption(rng, scenes[i]) for i in picked]
        with torch.no_grad():
            context = text(torch.tensor([tok(c) for c in captions]))
        noisy, t, v = v_batch(latents(picked), alphas, generator)
        loop.update(((loop.module(noisy, t, context) - v) ** 2).mean())
        average(loop, 8)
        loop.report(100)


def train_unet(args):
    if args.workers == 1:
        return unet_worker(0, args)
    torch.multiprocessing.spawn(unet_worker, (args,), args.workers)
