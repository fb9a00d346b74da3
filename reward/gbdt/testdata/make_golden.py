#!/usr/bin/env python3
"""Writes golden.json.gz: small models as XGBoost writes them, and what XGBoost itself predicts with them for 1,000 rows.

Made once with Debian 12's python3-xgboost 1.7.4 (/usr/bin/python3); no test runs it. Later versions write the same trees under other
fields, so their forms are the 1.7 models rewritten as src/learner.cc, src/gbm/gbtree.cc and src/gbm/gbtree_model.cc of v2.0.3, v3.1.0 and
v3.4.1 write them.
"""
import copy
import gzip
import json
import os
import tempfile

import numpy as np
import xgboost as xgb

NAMES = ["phash", "ahash", "dhash", "colorhash", "mae", "block"]
HERE = os.path.dirname(os.path.abspath(__file__))


def pairs(rng, n):
    """n pairs of pictures: four Hamming distances, which are whole numbers, and two measured differences; a tenth is missing."""
    same = rng.random(n) < 0.4
    spread = np.where(same, 3.0, 14.0)
    x = np.empty((n, len(NAMES)))
    for j, top in enumerate([64, 64, 64, 42]):
        x[:, j] = np.minimum(rng.poisson(spread / (1 + j / 2)), top)
    x[:, 4] = rng.gamma(2.0, spread / 6)
    x[:, 5] = rng.gamma(1.5, spread / 4)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x, (same ^ (rng.random(n) < 0.05)).astype(float)


def trained(x, y, rounds, **params):
    params = {"objective": "binary:logistic", "nthread": 1, "seed": 7, "max_depth": 4, "eta": 0.3, **params}
    return xgb.train(params, xgb.DMatrix(x, y, feature_names=NAMES), rounds)


def written(booster):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.json")
        booster.save_model(path)
        with open(path) as f:
            return f.read()


def splits(text):
    """All (feature, threshold) of a model."""
    booster = json.loads(text)["learner"]["gradient_booster"]
    out = []
    for tree in booster.get("gbtree", booster)["model"]["trees"]:
        for left, feature, threshold in zip(tree["left_children"], tree["split_indices"], tree["split_conditions"]):
            if left != -1:
                out.append((feature, threshold))
    return out


def as_2_0(model):
    model = copy.deepcopy(model)
    booster = model["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"]
    trees["iteration_indptr"] = list(range(len(trees["trees"]) + 1))
    trees["gbtree_model_param"].pop("size_leaf_vector", None)
    for tree in trees["trees"]:
        tree["tree_param"]["size_leaf_vector"] = "1"
    model["learner"]["learner_model_param"]["boost_from_average"] = "1"
    model["version"] = [2, 0, 3]
    return model


def as_3_1(model):
    model = as_2_0(model)
    booster = model["learner"]["gradient_booster"]
    booster.get("gbtree", booster)["model"]["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    param = model["learner"]["learner_model_param"]
    param["base_score"] = "[%s]" % param["base_score"]
    model["version"] = [3, 1, 0]
    return model


def as_3_4(model):
    """From 3.4 on a dart model is a gbtree with weights."""
    model = as_3_1(model)
    booster = model["learner"]["gradient_booster"]
    if booster["name"] == "dart":
        trees = booster["gbtree"]["model"]
        trees["weight_drop"] = booster["weight_drop"]
        model["learner"]["gradient_booster"] = {"name": "gbtree", "model": trees}
    model["version"] = [3, 4, 1]
    return model


def main():
    rng = np.random.default_rng(20240305)
    x, y = pairs(rng, 3000)
    boosters = {
        "hist": trained(x, y, 12, tree_method="hist", base_score=0.3),
        "pruned": trained(x, y, 8, tree_method="exact", gamma=3.0, max_depth=5),
        "stumps": trained(x, y, 6, tree_method="hist", max_depth=1, objective="reg:logistic", base_score=0.7, min_child_weight=200),
        "dart": trained(x, y, 10, tree_method="hist", booster="dart", rate_drop=0.4, base_score=0.3),
    }
    texts = {name: written(b) for name, b in boosters.items()}

    rows, _ = pairs(rng, 1000)
    rows[0] = np.nan
    on = [s for text in texts.values() for s in splits(text)]
    for i in range(1, 700):  # on a threshold, or so near to it or to its neighbour below that only float32 decides
        for _ in range(rng.integers(1, 4)):
            feature, threshold = on[rng.integers(len(on))]
            t = np.float32(threshold)
            near = float(rng.choice([t, np.nextafter(t, np.float32(-np.inf))]))
            rows[i, feature] = near * (1 + 1e-10 * rng.integers(-1, 2)) if i % 2 else float(t)

    models = []
    for name, booster in boosters.items():
        data = xgb.DMatrix(rows, feature_names=NAMES)
        answers = {
            "margin": [float(v) for v in booster.predict(data, output_margin=True)],
            "probability": [float(v) for v in booster.predict(data)],
        }
        forms = {"1.7": texts[name]}
        if name in ("hist", "dart"):
            model = json.loads(texts[name])
            forms.update({"2.0": json.dumps(as_2_0(model)), "3.1": json.dumps(as_3_1(model)), "3.4": json.dumps(as_3_4(model))})
        models.append({"name": name, "forms": forms, **answers})
        deleted = sum(int(t["tree_param"]["num_deleted"]) for t in json.loads(texts[name])["learner"]["gradient_booster"].get("model", {"trees": []})["trees"])
        print(name, {k: len(v) for k, v in forms.items()}, "deleted nodes:", deleted)
    out = {"rows": [[None if np.isnan(v) else v for v in row] for row in rows.tolist()], "models": models}
    with open(os.path.join(HERE, "golden.json.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
        z.write(json.dumps(out).encode())


if __name__ == "__main__":
    main()
