"""AutoencoderKL (Kingma and Welling 2013; diffusers' names), a VAE of 8 x 8 px a latent."""
import torch
import torch.nn.functional as F
from torch import nn

from .unet import Resnet, Upsample

EPS = 1e-6


class Attention(nn.Module):
    """One head over all positions."""

    def __init__(self, dim):
        super().__init__()
        self.group_norm = nn.GroupNorm(32, dim, EPS)
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.group_norm(x).reshape(b, c, h * w).transpose(1, 2)
        weights = torch.softmax(self.to_q(y) @ self.to_k(y).transpose(1, 2) * c ** -0.5, -1)
        y = self.to_out[0](weights @ self.to_v(y))
        return x + y.transpose(1, 2).reshape(b, c, h, w)


class MidBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.attentions = nn.ModuleList([Attention(dim)])
        self.resnets = nn.ModuleList(Resnet(dim, dim, eps=EPS) for _ in range(2))

    def forward(self, x):
        return self.resnets[1](self.attentions[0](self.resnets[0](x)))


class Downsample(nn.Module):
    """Pads at the right and the bottom only."""

    def __init__(self, dim):
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Block(nn.Module):
    def __init__(self, dim_in, dim, layers, down=False, up=False):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(dim if i else dim_in, dim, eps=EPS) for i in range(layers))
        if down:
            self.downsamplers = nn.ModuleList([Downsample(dim)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample(dim)])

    def forward(self, x):
        for resnet in self.resnets:
            x = resnet(x)
        if hasattr(self, "downsamplers"):
            x = self.downsamplers[0](x)
        return self.upsamplers[0](x) if hasattr(self, "upsamplers") else x


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        dims = c["block_out_channels"]
        self.conv_in = nn.Conv2d(c["in_channels"], dims[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            Block(dims[max(i - 1, 0)], dim, c["layers_per_block"], down=i + 1 < len(dims)) for i, dim in enumerate(dims))
        self.mid_block = MidBlock(dims[-1])
        self.conv_norm_out = nn.GroupNorm(32, dims[-1], EPS)
        self.conv_out = nn.Conv2d(dims[-1], 2 * c["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        dims = c["block_out_channels"][::-1]
        self.conv_in = nn.Conv2d(c["latent_channels"], dims[0], 3, padding=1)
        self.up_blocks = nn.ModuleList(
            Block(dims[max(i - 1, 0)], dim, c["layers_per_block"] + 1, up=i + 1 < len(dims)) for i, dim in enumerate(dims))
        self.mid_block = MidBlock(dims[0])
        self.conv_norm_out = nn.GroupNorm(32, dims[-1], EPS)
        self.conv_out = nn.Conv2d(dims[-1], c["out_channels"], 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VAE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.encoder, self.decoder = Encoder(c), Decoder(c)
        self.quant_conv = nn.Conv2d(2 * c["latent_channels"], 2 * c["latent_channels"], 1)
        self.post_quant_conv = nn.Conv2d(c["latent_channels"], c["latent_channels"], 1)

    def parameters_of(self, x):
        """x [B, 3, H, W] in [-1, 1] to the mean and the log-variance [B, 8, H/8, W/8]."""
        return self.quant_conv(self.encoder(x))

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


def sample(parameters, generator):
    """A draw from the posterior; diffusers bounds the log-variance to [-30, 20]."""
    mean, logvar = parameters.chunk(2, 1)
    deviation = torch.exp(0.5 * logvar.clamp(-30, 20))
    return mean + deviation * torch.randn(mean.shape, generator=generator)
