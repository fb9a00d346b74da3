"""CLIP ViT-B/32: clip-vit-b32 with a graph for each tower, clip-vit-b32-combined with one graph for both, as Optimum exports CLIPModel."""
import numpy as np
import torch
from PIL import Image

from . import clip, common, pipelines, sd

FOLDER, COMBINED = "clip-vit-b32", "clip-vit-b32-combined"
TEXT = {"hidden_size": 48, "intermediate_size": 192, "num_hidden_layers": 12, "num_attention_heads": 8, "vocab_size": 755,
        "max_position_embeddings": 77, "hidden_act": "quick_gelu", "model_type": "clip_text_model", "layer_norm_eps": 1e-05,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1}
VISION = {"hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 32,
          "image_size": 224, "hidden_act": "quick_gelu", "model_type": "clip_vision_model", "layer_norm_eps": 1e-05}
CONFIG = {"architectures": ["CLIPModel"], "initializer_factor": 1.0, "logit_scale_init_value": 2.6592, "model_type": "clip",
          "projection_dim": 32, "text_config": TEXT, "vision_config": VISION}
PREPROCESSOR = {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "feature_extractor_type": "CLIPFeatureExtractor",
                "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224}
FIXED = [(r"^logit_scale$", 4.6052, 0.0), (r"class_embedding$", 0.0, 1.0)]
GAINS = [(r"self_attn\.[qk]_proj\.weight", 2.0)]
TEXTS = ["a red circle on a blue background", "a photo of a cat", ""]
PICTURES = [{"formula": 0, "width": 320, "height": 240}, {"formula": 1, "width": 224, "height": 224}, {"formula": 2, "width": 200, "height": 301}]
NOTE = "Published depth, patches and image size. Text width 48 for 512, vision width 96 for 768, projection 32 for 512, 755 tokens for 49408."


def preprocess(spec):
    """A picture as CLIPImageProcessor gives it: the shorter side to 224 (Pillow's bicubic), the middle, normalised. [3, 224, 224]"""
    w, h = spec["width"], spec["height"]
    size = (224, int(224 * h / w)) if w <= h else (int(224 * w / h), 224)
    image = Image.fromarray(common.picture(spec["formula"], w, h)).resize(size, Image.BICUBIC)
    left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
    x = np.asarray(image)[top:top + 224, left:left + 224] * (1 / 255)
    mean, std = (np.array(PREPROCESSOR[k], np.float32) for k in ("image_mean", "image_std"))
    return torch.from_numpy(((x.astype(np.float32) - mean) / std).transpose(2, 0, 1).copy())


def export(net, recipe):
    ids = sd.ids_example()
    pixels = torch.stack([preprocess(s) for s in PICTURES[:2]])
    texts = {0: "text_batch_size", 1: "sequence_length"}
    common.export(FOLDER, "", common.Wrap(net, lambda n, i: n.text_features(i)), recipe, {"input_ids": ids}, ["text_embeds"],
                  {"input_ids": texts, "text_embeds": {0: "text_batch_size"}}, name="text_model")
    common.export(FOLDER, "", common.Wrap(net, lambda n, p: n.image_features(p)), recipe, {"pixel_values": pixels}, ["image_embeds"],
                  {"pixel_values": sd.BATCH, "image_embeds": sd.BATCH}, name="vision_model")
    names = ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"]
    axes = {"input_ids": texts, "pixel_values": {0: "image_batch_size"}, "attention_mask": texts,
            "logits_per_image": {0: "image_batch_size", 1: "text_batch_size"}, "logits_per_text": {0: "text_batch_size", 1: "image_batch_size"},
            "text_embeds": {0: "text_batch_size"}, "image_embeds": {0: "image_batch_size"}}
    inputs = {"input_ids": ids[:, :20], "pixel_values": pixels[:1], "attention_mask": (torch.arange(20) < 8).long().repeat(2, 1)}
    common.export(COMBINED, "onnx", common.Wrap(net, lambda n, i, p, m: n(i, p, m)), recipe, inputs, names, axes)


def main():
    net = clip.Model(CONFIG).eval()
    manifest = common.check_keys(net, "keys/clip_vitb32.txt.gz")
    recipe = common.fill(net, GAINS, FIXED)
    export(net, recipe)
    for folder in (FOLDER, COMBINED):
        common.write_config(folder, "", CONFIG)
        common.write_config(folder, "", PREPROCESSOR, "preprocessor_config.json")
        sd.write_tokenizer(folder)
    sd.family(FOLDER, {"tokenizer": "tokenizer"}, {"text_model": {**manifest, "only": r"^text_"},
                                                  "vision_model": {**manifest, "only": r"^(vision_|visual_)"}}, NOTE)
    sd.family(COMBINED, {"tokenizer": "tokenizer"}, {"onnx": manifest}, NOTE)
    tokenizer = pipelines.Tokenizer()
    ids = torch.tensor([tokenizer(t) for t in TEXTS])
    pixels = torch.stack([preprocess(s) for s in PICTURES])
    per_image, _, text, image = net(ids, pixels, (torch.arange(77)[None] <= ids.argmax(-1)[:, None]).long())
    report = {"tolerance": 1e-4, "note": "text_embeds and image_embeds have length 1; the _features are before that, as the towers' own graphs give them",
              "texts": [{"text": t, "ids": i.tolist()} for t, i in zip(TEXTS, ids)], "images": PICTURES,
              "text_features": net.text_features(ids).tolist(), "image_features": net.image_features(pixels).tolist(),
              "text_embeds": text.tolist(), "image_embeds": image.tolist(), "logits_per_image": per_image.tolist()}
    for folder in (FOLDER, COMBINED):
        common.write_text(common.FIXTURES + "/" + folder + "/reference.json", pipelines.compact(report))
    print("cosines of texts", np.round((text @ text.t()).numpy(), 3).tolist(), "of pictures", np.round((image @ image.t()).numpy(), 3).tolist())
    assert (text @ text.t() - torch.eye(3)).max() < 0.95 and (image @ image.t() - torch.eye(3)).max() < 0.95
