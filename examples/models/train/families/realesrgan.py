"""The families realesrgan-x4 and realesrgan-x2: RRDBNet (Wang et al. 2018 and 2021), with BasicSR's names."""
import torch
import torch.nn.functional as F
from torch import nn

from . import common

WIDTH, GROW, BLOCKS = 16, 8, 2  # published: 64, 32, 23
PICTURE = {"formula": 2, "width": 24, "height": 20}
NOTE = "2 blocks for 23, width 16 for 64, growth 8 for 32. Any size; x2 takes even sides."


def leaky(x):
    return F.leaky_relu(x, 0.2)


class DenseBlock(nn.Module):
    def __init__(self, width, grow):
        super().__init__()
        for i in range(1, 6):
            setattr(self, "conv%d" % i, nn.Conv2d(width + (i - 1) * grow, width if i == 5 else grow, 3, padding=1))

    def forward(self, x):
        seen = [x]
        for i in range(1, 5):
            seen.append(leaky(getattr(self, "conv%d" % i)(torch.cat(seen, 1))))
        return self.conv5(torch.cat(seen, 1)) * 0.2 + x


class RRDB(nn.Module):
    def __init__(self, width, grow):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(width, grow) for _ in range(3))

    def forward(self, x):
        return self.rdb3(self.rdb2(self.rdb1(x))) * 0.2 + x


class RRDBNet(nn.Module):
    """[B, 3, H, W] in [0, 1] to [B, 3, scale*H, scale*W]. The body upscales by 4: scale 2 first folds 2 x 2 px into channels."""

    def __init__(self, scale, width=WIDTH, grow=GROW, blocks=BLOCKS):
        super().__init__()
        self.fold = 4 // scale
        self.conv_first = nn.Conv2d(3 * self.fold ** 2, width, 3, padding=1)
        self.body = nn.ModuleList(RRDB(width, grow) for _ in range(blocks))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (nn.Conv2d(width, width, 3, padding=1) for _ in range(4))
        self.conv_last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x):
        if self.fold > 1:
            b, c, h, w = x.shape
            f = self.fold
            x = x.reshape(b, c, h // f, f, w // f, f).permute(0, 1, 3, 5, 2, 4).reshape(b, c * f * f, h // f, w // f)
        first = self.conv_first(x)
        y = first
        for block in self.body:
            y = block(y)
        y = first + self.conv_body(y)
        for conv in (self.conv_up1, self.conv_up2):
            y = leaky(conv(F.interpolate(y, scale_factor=2.0, mode="nearest")))
        return self.conv_last(leaky(self.conv_hr(y)))


def write_keys(scale):
    """The published names: 702 tensors of 23 blocks."""
    rows = [" ".join([name, *map(str, t.shape)]) for name, t in RRDBNet(scale, 64, 32, 23).state_dict().items()]
    assert len(rows) == 702
    common.write_gzip(common.FIXTURES + "/keys/realesrgan_x%d.txt.gz" % scale, ("\n".join(rows) + "\n").encode())


def main():
    for scale in (4, 2):
        folder, name = "realesrgan-x%d" % scale, "RealESRGAN_x%dplus" % scale
        write_keys(scale)
        net = RRDBNet(scale).eval()
        manifest = common.check_keys(net, "keys/realesrgan_x%d.txt.gz" % scale, absent=r"^body\.([2-9]|\d\d)\.")
        recipe = common.fill(
            net, [(r"conv_(first|body|up\d|hr)\.weight|rdb.*weight", 1.2), (r"^conv_last\.weight", 0.25)], [(r"^conv_last\.bias", 0.5, 0.02)])
        x = torch.from_numpy(common.picture(PICTURE["formula"], PICTURE["width"], PICTURE["height"])).permute(2, 0, 1)[None].float() / 255
        axes = {n: {0: "batch", 2: n + "_height", 3: n + "_width"} for n in ("input", "output")}
        common.export(folder, "", common.Wrap(net, lambda n, p: n(p)), recipe, {"input": x}, ["output"], axes, name=name)
        y = net(x)
        print("%s std %.3f mean %.3f beyond %.3f" % (folder, y.std(), y.mean(), ((y < 0) | (y > 1)).float().mean()))
        assert y.std() > 0.05 and ((y < 0) | (y > 1)).float().mean() < 0.1
        common.write_u16(common.FIXTURES + "/" + folder + "/upscaled.u16.gz", y[0].clamp(0, 1).numpy(), 1)
        common.write_json(common.FIXTURES + "/" + folder + "/family.json", {"note": NOTE, "use": {}, "keys": {name: manifest}})
        common.write_json(common.FIXTURES + "/" + folder + "/reference.json", {
            "tolerance": 1e-4, "scale": scale, "image": PICTURE, "output": "upscaled.u16.gz", "shape": list(y.shape[1:])})
