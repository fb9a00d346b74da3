"""Makes the fixtures anew: python3 -m families.export [NAME ...], from examples/models/train. See README.md."""
import sys

from . import clip_vit, kandinsky, lcm, realesrgan, safety, sd15, sd15_controlnet, sd15_fp16, sd15_inpaint, sdxl

FAMILIES = {"sd15": sd15, "sd15-inpaint": sd15_inpaint, "sd15-controlnet": sd15_controlnet, "sd15-fp16": sd15_fp16, "lcm": lcm, "sdxl": sdxl,
            "kandinsky22": kandinsky, "clip-vit-b32": clip_vit, "safety-checker": safety, "realesrgan": realesrgan}

for name in sys.argv[1:] or FAMILIES:
    if name not in FAMILIES:
        sys.exit("%s is no family: %s" % (name, ", ".join(FAMILIES)))
    FAMILIES[name].main()
