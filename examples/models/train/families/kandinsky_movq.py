"""MoVQ (Zheng et al. 2022), Kandinsky 2.2's picture codec, with the module names of diffusers' VQModel."""
from torch import nn
from torch.nn import functional as F

from .kandinsky_nets import SILU, SelfAttention


class SpatialNorm(nn.Module):
    """A group norm that the latents scale and shift in every place (Zheng et al. 2022)."""

    def __init__(self, width, latents):
        super().__init__()
        self.norm_layer = nn.GroupNorm(32, width, eps=1e-6)
        self.conv_y = nn.Conv2d(latents, width, 1)
        self.conv_b = nn.Conv2d(latents, width, 1)

    def forward(self, x, z):
        z = F.interpolate(z, size=x.shape[-2:], mode="nearest")
        return self.norm_layer(x) * self.conv_y(z) + self.conv_b(z)


class Norm(nn.GroupNorm):
    """The encoder's norm: the latents do not exist yet."""

    def __init__(self, width, _):
        super().__init__(32, width, eps=1e-6)

    def forward(self, x, _):
        return super().forward(x)


class Resnet(nn.Module):
    def __init__(self, cin, cout, norm, latents):
        super().__init__()
        self.norm1 = norm(cin, latents)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm2 = norm(cout, latents)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        if cin != cout:
            self.conv_shortcut = nn.Conv2d(cin, cout, 1)

    def forward(self, x, z):
        y = self.conv2(SILU(self.norm2(self.conv1(SILU(self.norm1(x, z))), z)))
        return (self.conv_shortcut(x) if hasattr(self, "conv_shortcut") else x) + y


class PlaceAttention(SelfAttention):
    """One-head attention between the places of a picture."""

    def __init__(self, width, norm, latents):
        super().__init__(width, 1)
        if norm is SpatialNorm:
            self.spatial_norm = norm(width, latents)
        else:
            self.group_norm = norm(width, latents)

    def forward(self, x, z):
        norm = self.spatial_norm if hasattr(self, "spatial_norm") else self.group_norm
        y = super().forward(norm(x, z).flatten(2).transpose(1, 2), None)
        return x + y.transpose(1, 2).reshape(x.shape)


class Down(nn.Module):
    """Halves with a 3x3 convolution that pads the right and the bottom only."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Up(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class CodecStage(nn.Module):
    def __init__(self, cin, width, layers, norm, latents, attention, resizers=None, resizer=None):
        super().__init__()
        if attention:
            self.attentions = nn.ModuleList(PlaceAttention(width, norm, latents) for _ in range(attention))
        self.resnets = nn.ModuleList(Resnet(cin if i == 0 else width, width, norm, latents) for i in range(layers))
        if resizer:
            setattr(self, resizers, nn.ModuleList([resizer(width)]))

    def forward(self, x, z):
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, z)
            if hasattr(self, "attentions") and i < len(self.attentions):
                x = self.attentions[i](x, z)
        for name in ("downsamplers", "upsamplers"):
            for resizer in getattr(self, name, ()):
                x = resizer(x)
        return x


class Coder(nn.Module):
    """Encoder or decoder: stages of the given widths, and a middle before (decoder) or after them."""

    def __init__(self, cin, widths, cout, layers, norm, latents, decoder):
        super().__init__()
        self.decoder, ends = decoder, widths[0] if decoder else widths[-1]
        self.conv_in = nn.Conv2d(cin, widths[0], 3, padding=1)
        stages, last = [], widths[0]
        for i, width in enumerate(widths):
            attention = i == 0 if decoder else i == len(widths) - 1
            resizers, resizer = ("upsamplers", Up) if decoder else ("downsamplers", Down)
            last_one = i == len(widths) - 1
            stages.append(CodecStage(last, width, layers, norm, latents, attention * layers, resizers, None if last_one else resizer))
            last = width
        setattr(self, "up_blocks" if decoder else "down_blocks", nn.ModuleList(stages))
        self.mid_block = CodecStage(ends, ends, 2, norm, latents, 1)
        self.conv_norm_out = norm(last, latents)
        self.conv_out = nn.Conv2d(last, cout, 3, padding=1)

    def forward(self, x, z=None):
        x = self.conv_in(x)
        stages = [self.mid_block, *self.up_blocks] if self.decoder else [*self.down_blocks, self.mid_block]
        for stage in stages:
            x = stage(x, z)
        return self.conv_out(SILU(self.conv_norm_out(x, z)))


class MoVQ(nn.Module):
    """VQModel without its codebook: the pipelines neither quantise what they encode nor what they decode."""

    def __init__(self, c):
        super().__init__()
        widths, latents, layers = c["block_out_channels"], c["latent_channels"], c["layers_per_block"]
        self.encoder = Coder(c["in_channels"], widths, latents, layers, Norm, latents, decoder=False)
        self.quant_conv = nn.Conv2d(latents, c["vq_embed_dim"], 1)
        self.post_quant_conv = nn.Conv2d(c["vq_embed_dim"], latents, 1)
        self.decoder = Coder(latents, widths[::-1], c["out_channels"], layers + 1, SpatialNorm, latents, decoder=True)

    def encode(self, image):
        """image [B, 3, H, W] in [-1, 1] to latents [B, 4, H/8, W/8]."""
        return self.quant_conv(self.encoder(image))

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z), z)
