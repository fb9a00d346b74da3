"""The family safety-checker: diffusers' StableDiffusionSafetyChecker in its ONNX form (forward_onnx)."""
import torch
from torch import nn

from . import clip, clip_vit, common, pipelines

FOLDER = "safety-checker"
CONFIG = {"_name_or_path": "openai/clip-vit-large-patch14", "architectures": ["StableDiffusionSafetyChecker"], "initializer_factor": 1.0,
          "logit_scale_init_value": 2.6592, "model_type": "clip", "projection_dim": 24,
          "vision_config": {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 24, "num_attention_heads": 4, "patch_size": 14,
                            "image_size": 224, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05, "model_type": "clip_vision_model"}}
PICTURES = [{"formula": 2, "width": 224, "height": 224}, {"formula": 0, "width": 256, "height": 250},
            {"formula": 2, "width": 320, "height": 240}, {"formula": 2, "width": 48, "height": 80}]
# Thresholds by which two pictures are refused, one of them only because of special care.
CONCEPTS, SPECIAL = 0.4775, 0.16
NOTE = "Published depth (24 layers), patches and image size; width 32 for 1024, 4 heads for 16, projection 24 for 768."


class Vision(nn.Module):
    """CLIPVisionModel."""

    def __init__(self, config):
        super().__init__()
        self.vision_model = clip.VisionTransformer(config)


class SafetyChecker(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["projection_dim"]
        self.concept_embeds, self.special_care_embeds = nn.Parameter(torch.zeros(17, width)), nn.Parameter(torch.zeros(3, width))
        self.concept_embeds_weights, self.special_care_embeds_weights = nn.Parameter(torch.zeros(17)), nn.Parameter(torch.zeros(3))
        self.vision_model = Vision(config["vision_config"])
        self.visual_projection = nn.Linear(config["vision_config"]["hidden_size"], width, bias=False)

    def scores(self, pixels):
        """(special [B, 3], concepts [B, 17]): how far the cosines are above their thresholds."""
        e = self.visual_projection(self.vision_model.vision_model(pixels)[1])
        def cosines(of):
            return nn.functional.normalize(e) @ nn.functional.normalize(of).t()
        return cosines(self.special_care_embeds) - self.special_care_embeds_weights, cosines(self.concept_embeds) - self.concept_embeds_weights

    def forward(self, pixels, images):
        """pixels [B, 3, 224, 224], images [B, H, W, 3] to (images, black where refused; refused [B])."""
        special, concepts = self.scores(pixels)
        care = (special > 0).any(1).to(concepts.dtype) * 0.01  # any special concept lowers all thresholds a little
        refused = (concepts + care[:, None] > 0).any(1)
        return torch.where(refused[:, None, None, None], torch.zeros_like(images), images), refused


def main():
    net = SafetyChecker(CONFIG).eval()
    manifest = common.check_keys(net, "keys/sd_safety_checker.txt.gz")
    fixed = [(r"^concept_embeds$|^special_care_embeds$", 0.0, 1.0), (r"^concept_embeds_weights", CONCEPTS, 0.02),
             (r"^special_care_embeds_weights", SPECIAL, 0.02), *clip_vit.FIXED]
    recipe = common.fill(net, clip_vit.GAINS, fixed)
    pixels = torch.stack([clip_vit.preprocess(s) for s in PICTURES])
    special, concepts = net.scores(pixels)
    images = torch.rand(4, 16, 24, 3, generator=torch.Generator().manual_seed(1))
    refused = net(pixels, images)[1].tolist()
    rows = [{**s, "refused": r, "special": float(a.max()), "concepts": float(b.max())}
            for s, r, a, b in zip(PICTURES, refused, special, concepts)]
    for row in rows:
        print(row)
    assert sum(refused) == 2 and any(r["refused"] and r["concepts"] < 0 for r in rows)
    assert all(min(abs(r["concepts"]), abs(r["special"]), abs(r["concepts"] + 0.01)) > 1e-3 for r in rows), "too near a threshold"
    axes = {"clip_input": {0: "batch", 1: "channels", 2: "height", 3: "width"}, "images": {0: "batch", 1: "height", 2: "width", 3: "channels"},
            "out_images": {0: "batch", 1: "height", 2: "width", 3: "channels"}, "has_nsfw_concepts": {0: "batch"}}
    common.export(FOLDER, "safety_checker", common.Wrap(net, lambda n, p, i: n(p, i)), recipe, {"clip_input": pixels, "images": images},
                  ["out_images", "has_nsfw_concepts"], axes)
    common.write_config(FOLDER, "safety_checker", CONFIG)
    common.write_config(FOLDER, "feature_extractor", clip_vit.PREPROCESSOR, "preprocessor_config.json")
    common.write_json(common.FIXTURES + "/" + FOLDER + "/family.json", {"note": NOTE, "use": {}, "keys": {"safety_checker": manifest}})
    common.write_text(common.FIXTURES + "/" + FOLDER + "/reference.json", pipelines.compact(
        {"note": "special, concepts: the largest score above its threshold, before special care's 0.01", "images": rows}))
