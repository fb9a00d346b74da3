"""The tiny latent-diffusion family: text encoder, UNet, VAE. Canvas 128 px, latents 16x16x4."""
import math

import torch
from torch import nn
from torch.nn import functional as F

import bpe

SCALING = 0.18215  # Stable Diffusion 1.x's vae scaling_factor; the host divides latents by it before the decoder
WIDTH_TEXT = 128


def zero(layer):
    for p in layer.parameters():
        nn.init.zeros_(p)
    return layer


class Attention(nn.Module):
    def __init__(self, dim, context_dim, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.k = nn.Linear(context_dim, dim, bias=False)
        self.v = nn.Linear(context_dim, dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, context=None, mask=None):
        context = x if context is None else context
        b, n, d = x.shape
        h = self.heads

        def split(t):
            return t.reshape(b, -1, h, d // h).transpose(1, 2)

        scores = split(self.q(x)) @ split(self.k(context)).transpose(2, 3) * (d // h) ** -0.5
        if mask is not None:
            scores = scores + mask
        y = scores.softmax(-1) @ split(self.v(context))
        return self.out(y.transpose(1, 2).reshape(b, n, d))


class TextBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, dim, heads)
        self.up, self.down = nn.Linear(dim, dim * 3), nn.Linear(dim * 3, dim)

    def forward(self, x, mask):
        x = x + self.attn(self.norm1(x), mask=mask)
        h = self.up(self.norm2(x))
        return x + self.down(h * torch.sigmoid(1.702 * h))  # quick GELU, as CLIP


class TextEncoder(nn.Module):
    """input_ids int64 [B, 32] -> last_hidden_state float32 [B, 32, 128]. Causal, so the last position has read all."""

    def __init__(self, vocab, dim=WIDTH_TEXT, layers=2, heads=4, length=bpe.LENGTH):
        super().__init__()
        self.token, self.position = nn.Embedding(vocab, dim), nn.Embedding(length, dim)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.01)
        self.blocks = nn.ModuleList([TextBlock(dim, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)
        self.register_buffer("mask", torch.full((length, length), -1e4).triu(1), persistent=False)

    def forward(self, ids):
        x = self.token(ids) + self.position.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, self.mask[: ids.shape[1], : ids.shape[1]])
        return self.norm(x)


class ResBlock(nn.Module):
    def __init__(self, cin, cout, time):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, cin), nn.GroupNorm(8, cout)
        self.conv1, self.conv2 = nn.Conv2d(cin, cout, 3, padding=1), zero(nn.Conv2d(cout, cout, 3, padding=1))
        self.time = nn.Linear(time, cout * 2)
        self.skip = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.time(e)[:, :, None, None].chunk(2, 1)
        h = self.conv2(F.silu(self.norm2(h) * (1 + scale) + shift))
        return self.skip(x) + h


class AttnBlock(nn.Module):
    def __init__(self, dim, context, self_attention, heads=4):
        super().__init__()
        self.self_norm = nn.LayerNorm(dim) if self_attention else None
        self.self_attn = Attention(dim, dim, heads) if self_attention else None
        self.cross_norm, self.cross_attn = nn.LayerNorm(dim), Attention(dim, context, heads)
        self.mlp_norm = nn.LayerNorm(dim)
        self.up, self.down = nn.Linear(dim, dim * 2), zero(nn.Linear(dim * 2, dim))

    def forward(self, x, context):
        b, c, h, w = x.shape
        y = x.reshape(b, c, h * w).transpose(1, 2)
        if self.self_attn is not None:
            y = y + self.self_attn(self.self_norm(y))
        y = y + self.cross_attn(self.cross_norm(y), context)
        y = y + self.down(F.gelu(self.up(self.mlp_norm(y))))
        return y.transpose(1, 2).reshape(b, c, h, w)


class Level(nn.Module):
    """A ResBlock and an attention block."""

    def __init__(self, cin, cout, time, context, self_attention):
        super().__init__()
        self.res, self.attn = ResBlock(cin, cout, time), AttnBlock(cout, context, self_attention)

    def forward(self, x, e, context):
        return self.attn(self.res(x, e), context)


def embedding(net, time, context, half=32):
    """The layers of embed, named flat so that a UNet's weights fit a ControlNet."""
    net.register_buffer("freq", torch.exp(-math.log(10000) * torch.arange(half) / half), persistent=False)
    net.time1, net.time2 = nn.Linear(half * 2, time), nn.Linear(time, time)
    net.pooled = nn.Linear(context, time)


def embed(net, timestep, context):
    """What the levels are told of the time and of the whole caption: [1 or B, time]."""
    angle = timestep.float()[:, None] * net.freq
    e = net.time2(F.silu(net.time1(torch.cat([angle.sin(), angle.cos()], 1))))
    return F.silu(e + net.pooled(context[:, -1]))


class UNet(nn.Module):
    """sample [B, in, H, W], timestep [1] or [B], encoder_hidden_states [B, 32, 128] -> v prediction [B, 4, H, W].

    The last text position is also added to the time embedding: it alone carries the whole caption.
    """

    def __init__(self, channels_in=4, widths=(64, 96, 128), time=192, context=WIDTH_TEXT):
        super().__init__()
        a, b, c = widths
        embedding(self, time, context)
        self.conv_in = nn.Conv2d(channels_in, a, 3, padding=1)
        self.down0 = Level(a, a, time, context, False)
        self.shrink0 = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.down1 = Level(b, b, time, context, True)
        self.shrink1 = nn.Conv2d(b, c, 3, stride=2, padding=1)
        self.mid0, self.mid1 = Level(c, c, time, context, True), Level(c, c, time, context, True)
        self.grow1 = nn.Conv2d(c, b, 3, padding=1)
        self.up1 = Level(b * 2, b, time, context, True)
        self.grow0 = nn.Conv2d(b, a, 3, padding=1)
        self.up0 = Level(a * 2, a, time, context, False)
        self.up0b = Level(a, a, time, context, False)
        self.norm_out, self.conv_out = nn.GroupNorm(8, a), zero(nn.Conv2d(a, 4, 3, padding=1))

    def forward(self, sample, timestep, context, residuals=None):
        e = embed(self, timestep, context)
        skip0 = self.down0(self.conv_in(sample), e, context)
        skip1 = self.down1(self.shrink0(skip0), e, context)
        x = self.mid1(self.mid0(self.shrink1(skip1), e, context), e, context)
        if residuals is not None:
            skip0, skip1, x = skip0 + residuals[0], skip1 + residuals[1], x + residuals[2]
        x = self.grow1(F.interpolate(x, size=skip1.shape[2:], mode="nearest"))
        x = self.up1(torch.cat([x, skip1], 1), e, context)
        x = self.grow0(F.interpolate(x, size=skip0.shape[2:], mode="nearest"))
        x = self.up0b(self.up0(torch.cat([x, skip0], 1), e, context), e, context)
        return self.conv_out(F.silu(self.norm_out(x)))


class ControlNet(nn.Module):
    """A trainable copy of the UNet's lower half, less its last level, that reads a picture of lines too.

    sample, timestep, encoder_hidden_states as the UNet's; controlnet_cond [B, 3, 8H, 8W] in [0, 1] -> what is added to the
    UNet's skips [B, 64, H, W], [B, 96, H/2, W/2] and middle [B, 128, H/4, W/4] (Zhang et al. 2023).
    """

    def __init__(self, widths=(64, 96, 128), time=192, context=WIDTH_TEXT):
        super().__init__()
        a, b, c = widths
        embedding(self, time, context)
        self.conv_in = nn.Conv2d(4, a, 3, padding=1)
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, 48, 3, padding=1), nn.SiLU(),
                                  nn.Conv2d(48, 64, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(64, a, 3, padding=1))
        self.down0 = Level(a, a, time, context, False)
        self.shrink0 = nn.Conv2d(a, b, 3, stride=2, padding=1)
        self.down1 = Level(b, b, time, context, True)
        self.shrink1 = nn.Conv2d(b, c, 3, stride=2, padding=1)
        self.mid0 = Level(c, c, time, context, True)
        self.zero0, self.zero1, self.zero2 = (zero(nn.Conv2d(w, w, 1)) for w in widths)

    def forward(self, sample, timestep, context, hint):
        e = embed(self, timestep, context)
        skip0 = self.down0(self.conv_in(sample) + self.stem(hint), e, context)
        skip1 = self.down1(self.shrink0(skip0), e, context)
        x = self.mid0(self.shrink1(skip1), e, context)
        return self.zero0(skip0), self.zero1(skip1), self.zero2(x)


class PlainRes(nn.Module):
    """Norm-free residual block: fully convolutional, so that training windows fit any canvas."""

    def __init__(self, c):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c, c, 3, padding=1), zero(nn.Conv2d(c, c, 3, padding=1))

    def forward(self, x):
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class Encoder(nn.Module):
    """sample [B, 3, 8H, 8W] in [-1, 1] -> latent_parameters [B, 8, H, W]: mean and log-variance, times SCALING of unit variance."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, 48, 3, padding=1), PlainRes(48),
                                 nn.Conv2d(48, 64, 3, stride=2, padding=1), PlainRes(64), PlainRes(64), nn.Conv2d(64, 8, 1))
        self.register_buffer("mean", torch.zeros(1, 4, 1, 1))
        self.register_buffer("std", torch.ones(1, 4, 1, 1))

    def moments(self, x):
        return self.net(x).chunk(2, 1)

    def forward(self, x):
        mean, logvar = self.moments(x)
        return torch.cat([(mean - self.mean) / self.std / SCALING, logvar - 2 * (self.std * SCALING).log()], 1)


class Decoder(nn.Module):
    """latent_sample [B, 4, H, W] as the encoder gives it -> sample [B, 3, 8H, 8W] in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(4, 96, 3, padding=1), PlainRes(96), PlainRes(96), PlainRes(96),
            nn.Conv2d(96, 160, 3, padding=1), nn.PixelShuffle(2), PlainRes(40), PlainRes(40),
            nn.Conv2d(40, 80, 3, padding=1), nn.PixelShuffle(2), PlainRes(20),
            nn.Conv2d(20, 12, 3, padding=1), nn.PixelShuffle(2))
        self.register_buffer("mean", torch.zeros(1, 4, 1, 1))
        self.register_buffer("std", torch.ones(1, 4, 1, 1))

    def forward(self, z):
        return self.net(z * SCALING * self.std + self.mean).clamp(-1, 1)


class Attributes(nn.Module):
    """What the text encoder is taught with: the last position must tell every attribute of the scene."""

    def __init__(self, sizes, dim=WIDTH_TEXT):
        super().__init__()
        self.sizes = sizes
        self.out = nn.Linear(dim, sum(sizes))

    def forward(self, hidden):
        return self.out(hidden[:, -1]).split(self.sizes, 1)


def beta_schedule():
    """Stable Diffusion's scaled_linear betas; returns alphas_cumprod [1000]."""
    betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000) ** 2
    return torch.cumprod(1 - betas, 0)
