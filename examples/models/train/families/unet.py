"""UNet2DConditionModel and ControlNetModel (diffusers' names) as Stable Diffusion 1.x, SDXL and LCM configure them."""
import math

import torch
import torch.nn.functional as F
from torch import nn


def sinusoids(t, dim):
    """t [B] to [B, dim]: cosines then sines of t * 10000^(-k / (dim/2)), as flip_sin_to_cos with freq_shift 0."""
    half = dim // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
    angles = t[:, None].float() * frequencies[None]
    return torch.cat([angles.cos(), angles.sin()], -1)


class TimestepEmbedding(nn.Module):
    def __init__(self, dim_in, dim, dim_cond=None):
        super().__init__()
        self.linear_1 = nn.Linear(dim_in, dim)
        self.cond_proj = nn.Linear(dim_cond, dim_in, bias=False) if dim_cond else None
        self.linear_2 = nn.Linear(dim, dim)

    def forward(self, x, cond=None):
        if cond is not None:
            x = x + self.cond_proj(cond)
        return self.linear_2(F.silu(self.linear_1(x)))


class Resnet(nn.Module):
    def __init__(self, dim_in, dim, dim_time=None, eps=1e-5):
        super().__init__()
        self.norm1 = nn.GroupNorm(32, dim_in, eps)
        self.conv1 = nn.Conv2d(dim_in, dim, 3, padding=1)
        self.time_emb_proj = nn.Linear(dim_time, dim) if dim_time else None
        self.norm2 = nn.GroupNorm(32, dim, eps)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(dim_in, dim, 1) if dim_in != dim else None

    def forward(self, x, time=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if time is not None:
            h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + h


class CrossAttention(nn.Module):
    """Attention of x over a context; to_out keeps its place in a list, as published."""

    def __init__(self, dim, dim_context, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim_context, dim, bias=False)
        self.to_v = nn.Linear(dim_context, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def split(self, x):
        b, n, c = x.shape
        return x.reshape(b, n, self.heads, c // self.heads).transpose(1, 2)

    def forward(self, x, context):
        q, k, v = self.split(self.to_q(x)), self.split(self.to_k(context)), self.split(self.to_v(context))
        scores = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
        y = torch.softmax(scores, -1) @ v
        return self.to_out[0](y.transpose(1, 2).reshape(x.shape))


class GEGLU(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        self.proj = nn.Linear(dim, inner * 2)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, -1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net = nn.ModuleList([GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class TransformerBlock(nn.Module):
    def __init__(self, dim, dim_context, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.attn1 = CrossAttention(dim, dim, heads)
        self.attn2 = CrossAttention(dim, dim_context, heads)
        self.ff = FeedForward(dim)

    def forward(self, x, context):
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer2D(nn.Module):
    def __init__(self, dim, dim_context, heads, depth, linear):
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(32, dim, 1e-6)
        self.proj_in = nn.Linear(dim, dim) if linear else nn.Conv2d(dim, dim, 1)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(dim, dim_context, heads) for _ in range(depth))
        self.proj_out = nn.Linear(dim, dim) if linear else nn.Conv2d(dim, dim, 1)

    def forward(self, x, context):
        b, c, h, w = x.shape
        y = self.norm(x)
        if not self.linear:
            y = self.proj_in(y)
        y = y.permute(0, 2, 3, 1).reshape(b, h * w, c)
        if self.linear:
            y = self.proj_in(y)
        for block in self.transformer_blocks:
            y = block(y, context)
        if self.linear:
            y = self.proj_out(y)
        y = y.reshape(b, h, w, c).permute(0, 3, 1, 2)
        return x + (y if self.linear else self.proj_out(y))


class Downsample(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, stride=2, padding=1)

    def forward(self, x):
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Block(nn.Module):
    """A level of the UNet: resnets, with an attention after each where the level has attention, and a resampler."""

    def __init__(self, dims_in, dim, dim_time, attention, sampler):
        super().__init__()
        if attention:
            self.attentions = nn.ModuleList(Transformer2D(dim, *attention) for _ in dims_in)
        self.resnets = nn.ModuleList(Resnet(d, dim, dim_time) for d in dims_in)
        if sampler is Downsample:
            self.downsamplers = nn.ModuleList([Downsample(dim)])
        if sampler is Upsample:
            self.upsamplers = nn.ModuleList([Upsample(dim)])

    def step(self, i, x, time, context):
        x = self.resnets[i](x, time)
        return self.attentions[i](x, context) if hasattr(self, "attentions") else x


class MidBlock(nn.Module):
    def __init__(self, dim, dim_time, attention):
        super().__init__()
        self.attentions = nn.ModuleList([Transformer2D(dim, *attention)])
        self.resnets = nn.ModuleList(Resnet(dim, dim, dim_time) for _ in range(2))

    def forward(self, x, time, context):
        x = self.attentions[0](self.resnets[0](x, time), context)
        return self.resnets[1](x, time)


class Down(nn.Module):
    """What a UNet and its ControlNet have in common: the embeddings, the way down and the middle."""

    def __init__(self, c):
        super().__init__()
        dims = c["block_out_channels"]
        self.dim_time = 4 * dims[0]
        self.dim_sinusoids, self.dim_add = dims[0], c.get("addition_time_embed_dim")
        self.conv_in = nn.Conv2d(c["in_channels"], dims[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(dims[0], self.dim_time, c.get("time_cond_proj_dim"))
        if c.get("addition_embed_type") == "text_time":
            self.add_embedding = TimestepEmbedding(c["projection_class_embeddings_input_dim"], self.dim_time)
        # attention_head_dim is the number of heads: diffusers' historical name.
        heads, depths = c["attention_head_dim"], c.get("transformer_layers_per_block", 1)
        heads = [heads] * len(dims) if isinstance(heads, int) else heads
        depths = [depths] * len(dims) if isinstance(depths, int) else depths
        self.attention = [(c["cross_attention_dim"], h, d, c.get("use_linear_projection", False)) for h, d in zip(heads, depths)]
        self.down_blocks = nn.ModuleList()
        for i, (kind, dim) in enumerate(zip(c["down_block_types"], dims)):
            dims_in = [dims[max(i - 1, 0)]] + [dim] * (c["layers_per_block"] - 1)
            self.down_blocks.append(Block(dims_in, dim, self.dim_time, kind.startswith("CrossAttn") and self.attention[i],
                                          Downsample if i + 1 < len(dims) else None))
        self.mid_block = MidBlock(dims[-1], self.dim_time, self.attention[-1])

    def embed(self, sample, timestep, timestep_cond=None, text_embeds=None, time_ids=None):
        """The time embedding [B, D]; timestep is a scalar, [1] or [B]."""
        t = timestep.reshape(-1).expand(sample.shape[0])
        time = self.time_embedding(sinusoids(t, self.dim_sinusoids).to(sample.dtype), timestep_cond)
        if text_embeds is not None:
            ids = sinusoids(time_ids.flatten(), self.dim_add).reshape(text_embeds.shape[0], -1).to(sample.dtype)
            time = time + self.add_embedding(torch.cat([text_embeds, ids], -1))
        return time

    def descend(self, x, time, context):
        skips = [x]
        for block in self.down_blocks:
            for i in range(len(block.resnets)):
                x = block.step(i, x, time, context)
                skips.append(x)
            if hasattr(block, "downsamplers"):
                x = block.downsamplers[0](x)
                skips.append(x)
        return self.mid_block(x, time, context), skips


class UNet(Down):
    def __init__(self, c):
        super().__init__(c)
        dims, attention = c["block_out_channels"][::-1], self.attention[::-1]
        # The channels of the skips, in the order in which the way up takes them.
        skips = [dims[-1]]
        for i, dim in enumerate(dims[::-1]):
            skips += [dim] * (c["layers_per_block"] + (i + 1 < len(dims)))
        self.up_blocks = nn.ModuleList()
        for i, (kind, dim) in enumerate(zip(c["up_block_types"], dims)):
            below = [dims[max(i - 1, 0)]] + [dim] * c["layers_per_block"]
            self.up_blocks.append(Block([b + skips.pop() for b in below], dim, self.dim_time,
                                        kind.startswith("CrossAttn") and attention[i], Upsample if i + 1 < len(dims) else None))
        self.conv_norm_out = nn.GroupNorm(32, dims[-1], 1e-5)
        self.conv_out = nn.Conv2d(dims[-1], c["out_channels"], 3, padding=1)

    def forward(self, sample, timestep, context, timestep_cond=None, text_embeds=None, time_ids=None, down=None, mid=None):
        """down, mid: what a ControlNet adds to the skips and to the middle."""
        time = self.embed(sample, timestep, timestep_cond, text_embeds, time_ids)
        x, skips = self.descend(self.conv_in(sample), time, context)
        if down is not None:
            skips, x = [s + d for s, d in zip(skips, down)], x + mid
        for block in self.up_blocks:
            for i in range(len(block.resnets)):
                x = block.step(i, torch.cat([x, skips.pop()], 1), time, context)
            if hasattr(block, "upsamplers"):
                x = block.upsamplers[0](x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class ConditioningEmbedding(nn.Module):
    """A control picture [B, 3, 8h, 8w] to the UNet's first width [B, C, h, w]."""

    def __init__(self, dims, dim):
        super().__init__()
        self.conv_in = nn.Conv2d(3, dims[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for a, b in zip(dims, dims[1:]):
            self.blocks += [nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, b, 3, padding=1, stride=2)]
        self.conv_out = nn.Conv2d(dims[-1], dim, 3, padding=1)

    def forward(self, x):
        x = F.silu(self.conv_in(x))
        for block in self.blocks:
            x = F.silu(block(x))
        return self.conv_out(x)


class ControlNet(Down):
    def __init__(self, c):
        super().__init__(c)
        dims = c["block_out_channels"]
        self.controlnet_cond_embedding = ConditioningEmbedding(c["conditioning_embedding_out_channels"], dims[0])
        skips = [dims[0]]
        for i, dim in enumerate(dims):
            skips += [dim] * (c["layers_per_block"] + (i + 1 < len(dims)))
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(d, d, 1) for d in skips)
        self.controlnet_mid_block = nn.Conv2d(dims[-1], dims[-1], 1)

    def forward(self, sample, timestep, context, picture):
        """(the 12 additions to the skips, the addition to the middle), at scale 1."""
        time = self.embed(sample, timestep)
        x, skips = self.descend(self.conv_in(sample) + self.controlnet_cond_embedding(picture), time, context)
        return [conv(s) for conv, s in zip(self.controlnet_down_blocks, skips)], self.controlnet_mid_block(x)
