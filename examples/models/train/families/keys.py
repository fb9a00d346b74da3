"""Packs published state_dict listings into fixtures: python3 -m families.keys FOLDER, with FOLDER's structure_NAME.json files."""
import glob
import json
import os
import re
import sys

from .common import FIXTURES, write_gzip

for path in sorted(glob.glob(os.path.join(sys.argv[1], "structure_*.json"))):
    name = re.search(r"structure_(\w+)\.json", path)[1]
    with open(path) as f:
        rows = json.load(f)["state_dict"]
    text = "".join(" ".join([key] + [str(d) for d in shape]) + "\n" for key, shape in rows)
    write_gzip(os.path.join(FIXTURES, "keys", name + ".txt.gz"), text.encode())
    if name == "sd15_unet":  # a latent consistency model has one more tensor (diffusers' TimestepEmbedding with cond_proj_dim)
        text += "time_embedding.cond_proj.weight 320 256\n"
        write_gzip(os.path.join(FIXTURES, "keys", "lcm_unet.txt.gz"), text.encode())
