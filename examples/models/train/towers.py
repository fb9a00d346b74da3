"""Networks that read pictures and captions: CLIP's two towers and the concept filter."""
import torch
from torch import nn
from torch.nn import functional as F

import nets


class VisionTower(nn.Module):
    """pixel_values [B, 3, 64, 64], normalised as CLIP's -> image_embeds [B, dim] of length 1."""

    def __init__(self, widths=(32, 64, 96, 128), dim=128):
        super().__init__()
        a, b, c, d = widths

        def layer(cin, cout, stride=1):
            return [nn.Conv2d(cin, cout, 3, stride=stride, padding=1), nn.GroupNorm(8, cout), nn.SiLU()]

        self.net = nn.Sequential(nn.PixelUnshuffle(2), *layer(12, a), *layer(a, b, 2), *layer(b, b), *layer(b, c, 2), *layer(c, c),
                                 *layer(c, d, 2), nn.Conv2d(d, 32, 1), nn.SiLU(), nn.Flatten(), nn.Linear(32 * 16, dim))

    def forward(self, x):
        return F.normalize(self.net(x), dim=1)


class TextTower(nn.Module):
    """input_ids int64 [B, L], L <= length -> text_embeds [B, dim] of length 1, read where the first end token stands."""

    def __init__(self, vocab, end, length, width, dim):
        super().__init__()
        self.end = end
        self.text = nets.TextEncoder(vocab, width, length=length)
        self.projection = nn.Linear(width, dim, bias=False)

    def hidden(self, ids):
        at = (ids == self.end).int().argmax(1)  # the first of equals
        return self.text(ids).gather(1, at[:, None, None].expand(-1, 1, self.projection.in_features))[:, 0]

    def forward(self, ids):
        return F.normalize(self.projection(self.hidden(ids)), dim=1)


class ConceptFilter(nn.Module):
    """The form of diffusers' safety checker, for one demo concept.

    clip_input [B, 3, 64, 64], images [B, H, W, 3] -> images with the flagged ones black, bool [B], embeds [B, 64].
    """

    def __init__(self, dim=64):
        super().__init__()
        self.vision = VisionTower((24, 48, 64, 96), dim)
        self.concept = nn.Parameter(torch.randn(dim))
        self.register_buffer("threshold", torch.tensor(0.5))

    def closeness(self, embeds):
        """The cosine to the concept: [B]."""
        return embeds @ F.normalize(self.concept, dim=0)

    def forward(self, clip_input, images):
        embeds = self.vision(clip_input)
        found = self.closeness(embeds) > self.threshold
        return images * (~found).to(images.dtype)[:, None, None, None], found, embeds
