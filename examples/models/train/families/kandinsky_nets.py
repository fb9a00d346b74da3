"""Kandinsky 2.2's prior and UNet (Razzhigaev et al. 2023), with the module names of diffusers."""
import math

import torch
from torch import nn
from torch.nn import functional as F

SILU = nn.functional.silu


def time_embedding(t, width):
    """Sinusoids of t [B]: cosines first, frequencies 10000^(-i / half) (flip_sin_to_cos, no frequency shift)."""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) / half * torch.arange(half, dtype=torch.float32))
    angles = t[:, None].float() * frequencies
    return torch.cat([torch.cos(angles), torch.sin(angles)], -1)


class TimeMLP(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.linear_1 = nn.Linear(width, inner)
        self.linear_2 = nn.Linear(inner, inner)

    def forward(self, x):
        return self.linear_2(SILU(self.linear_1(x)))


def attend(q, k, v, heads, head, bias=None):
    """Softmax attention of [B, N, heads * head] tensors; bias is added to the scores [B, heads, N, M]."""
    q, k, v = (x.reshape(x.shape[0], -1, heads, head).transpose(1, 2) for x in (q, k, v))
    scores = q @ k.transpose(2, 3) * head ** -0.5
    if bias is not None:
        scores = scores + bias
    y = torch.softmax(scores, -1) @ v
    return y.transpose(1, 2).reshape(y.shape[0], -1, heads * head)


# --- prior -----------------------------------------------------------------------------------------------------------------

class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, bias):
        return self.to_out[0](attend(self.to_q(x), self.to_k(x), self.to_v(x), self.heads, self.head, bias))


class GELU(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.proj = nn.Linear(width, inner)

    def forward(self, x):
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.ModuleList([GELU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class PriorBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = SelfAttention(width, heads)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x, bias):
        x = x + self.attn1(self.norm1(x), bias)
        return x + self.ff(self.norm3(x))


class Prior(nn.Module):
    """PriorTransformer: reads the text's states and embedding, the step and the noisy picture; answers at a last token of its own."""

    def __init__(self, c):
        super().__init__()
        width, dim = c["num_attention_heads"] * c["attention_head_dim"], c["embedding_dim"]
        self.width, self.extra = width, c["additional_embeddings"]
        self.positional_embedding = nn.Parameter(torch.zeros(1, c["num_embeddings"] + self.extra, width))
        self.prd_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.clip_mean = nn.Parameter(torch.zeros(1, dim))
        self.clip_std = nn.Parameter(torch.zeros(1, dim))
        self.time_embedding = TimeMLP(width, width)
        self.proj_in = nn.Linear(dim, width)
        self.embedding_proj = nn.Linear(dim, width)
        self.encoder_hidden_states_proj = nn.Linear(dim, width)
        self.transformer_blocks = nn.ModuleList(PriorBlock(width, c["num_attention_heads"]) for _ in range(c["num_layers"]))
        self.norm_out = nn.LayerNorm(width)
        self.proj_to_clip_embeddings = nn.Linear(width, dim)

    def forward(self, x, t, text_embeds, text_states, mask):
        """x [B, D], t scalar, text_embeds [B, D], text_states [B, L, D], mask [B, L] to the predicted embedding [B, D]."""
        steps = self.time_embedding(time_embedding(t.reshape(1).expand(x.shape[0]), self.width))
        tokens = torch.cat([
            self.encoder_hidden_states_proj(text_states), self.embedding_proj(text_embeds)[:, None], steps[:, None],
            self.proj_in(x)[:, None], self.prd_embedding.expand(x.shape[0], -1, -1)], 1) + self.positional_embedding
        causal = torch.full((self.positional_embedding.shape[1],) * 2, -10000.0).triu(1)
        padding = F.pad((1 - mask.float()) * -10000.0, (0, self.extra))
        bias = (padding[:, None] + causal)[:, None]
        for block in self.transformer_blocks:
            tokens = block(tokens, bias)
        return self.proj_to_clip_embeddings(self.norm_out(tokens)[:, -1])


# --- UNet ------------------------------------------------------------------------------------------------------------------

class TimeResnet(nn.Module):
    """A residual block whose second norm is scaled and shifted by the step; resize is applied to both branches after the first norm."""

    def __init__(self, cin, cout, temb, resize=None):
        super().__init__()
        self.resize, self.width = resize or nn.Identity(), cout
        self.norm1 = nn.GroupNorm(32, cin)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.time_emb_proj = nn.Linear(temb, 2 * cout)
        self.norm2 = nn.GroupNorm(32, cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x, temb):
        y = self.conv1(self.resize(SILU(self.norm1(x))))
        x = self.resize(x)
        scale, shift = self.time_emb_proj(SILU(temb))[:, :, None, None].split(self.width, 1)
        y = self.conv2(SILU(self.norm2(y) * (1 + scale) + shift))
        return (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + y


class AddedAttention(nn.Module):
    """Attention of the picture to the context tokens and itself, in this order."""

    def __init__(self, width, head, context):
        super().__init__()
        self.heads, self.head = width // head, head
        self.group_norm = nn.GroupNorm(32, width)
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.add_k_proj = nn.Linear(context, width)
        self.add_v_proj = nn.Linear(context, width)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x, context):
        y = self.group_norm(x.flatten(2)).transpose(1, 2)
        k = torch.cat([self.add_k_proj(context), self.to_k(y)], 1)
        v = torch.cat([self.add_v_proj(context), self.to_v(y)], 1)
        y = self.to_out[0](attend(self.to_q(y), k, v, self.heads, self.head))
        return x + y.transpose(1, 2).reshape(x.shape)


class Stage(nn.Module):
    """One resolution, down or up: residual blocks from the given input widths, with or without attention, then a resizing block."""

    def __init__(self, inputs, width, temb, head, context, attention, resizers, resize):
        super().__init__()
        if attention:
            self.attentions = nn.ModuleList(AddedAttention(width, head, context) for _ in inputs)
        self.resnets = nn.ModuleList(TimeResnet(c, width, temb) for c in inputs)
        if resize is not None:
            setattr(self, resizers, nn.ModuleList([TimeResnet(width, width, temb, resize)]))

    def block(self, i, x, temb, context):
        x = self.resnets[i](x, temb)
        return self.attentions[i](x, context) if hasattr(self, "attentions") else x


class ImageProjection(nn.Module):
    """32 context tokens from one picture embedding."""

    def __init__(self, dim, context, tokens=32):
        super().__init__()
        self.tokens = tokens
        self.image_embeds = nn.Linear(dim, tokens * context)
        self.norm = nn.LayerNorm(context)

    def forward(self, e):
        return self.norm(self.image_embeds(e).reshape(e.shape[0], self.tokens, -1))


class ImageTime(nn.Module):
    def __init__(self, dim, temb):
        super().__init__()
        self.image_proj = nn.Linear(dim, temb)
        self.image_norm = nn.LayerNorm(temb)

    def forward(self, e):
        return self.image_norm(self.image_proj(e))


class UNet(nn.Module):
    """UNet2DConditionModel as Kandinsky 2.2 configures it: conditioned on a picture embedding, noise and variance out."""

    def __init__(self, c):
        super().__init__()
        widths, layers = c["block_out_channels"], c["layers_per_block"]
        self.first, temb = widths[0], 4 * widths[0]
        context, dim, head = c["cross_attention_dim"], c["encoder_hid_dim"], c["attention_head_dim"]
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeMLP(widths[0], temb)
        self.encoder_hid_proj = ImageProjection(dim, context)
        self.add_embedding = ImageTime(dim, temb)
        halve, double = nn.AvgPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        down, skips, last = [], [widths[0]], widths[0]
        for i, width in enumerate(widths):
            inner = i < len(widths) - 1
            down.append(Stage([last] + [width] * (layers - 1), width, temb, head, context, i > 0, "downsamplers", halve if inner else None))
            skips += [width] * (layers + inner)
            last = width
        self.down_blocks = nn.ModuleList(down)
        self.mid_block = Stage([last], last, temb, head, context, True, "", None)
        self.mid_block.resnets.append(TimeResnet(last, last, temb))
        up = []
        for i, width in enumerate(reversed(widths)):
            inputs = [(last if j == 0 else width) + skips.pop() for j in range(layers + 1)]
            inner = i < len(widths) - 1
            up.append(Stage(inputs, width, temb, head, context, inner, "upsamplers", double if inner else None))
            last = width
        self.up_blocks = nn.ModuleList(up)
        self.conv_norm_out = nn.GroupNorm(32, widths[0])
        self.conv_out = nn.Conv2d(widths[0], c["out_channels"], 3, padding=1)

    def forward(self, x, t, e):
        """x [B, C, h, w], t [1], e [B, D] to noise and variance [B, 8, h, w]."""
        temb = self.time_embedding(time_embedding(t.reshape(1).expand(x.shape[0]), self.first)) + self.add_embedding(e)
        context = self.encoder_hid_proj(e)
        x = self.conv_in(x)
        skips = [x]
        for stage in self.down_blocks:
            for i in range(len(stage.resnets)):
                x = stage.block(i, x, temb, context)
                skips.append(x)
            for block in getattr(stage, "downsamplers", ()):
                x = block(x, temb)
                skips.append(x)
        x = self.mid_block.resnets[1](self.mid_block.block(0, x, temb, context), temb)
        for stage in self.up_blocks:
            for i in range(len(stage.resnets)):
                x = stage.block(i, torch.cat([x, skips.pop()], 1), temb, context)
            for block in getattr(stage, "upsamplers", ()):
                x = block(x, temb)
        return self.conv_out(SILU(self.conv_norm_out(x)))
