#!/usr/bin/python3
"""Has XGBoost learn which pairs are the same: python3 fit.py ROWS.json MODEL.json

ROWS.f32 has the rows. Trains on those whose prompt is not held out and whose kind is not held out either. Trees may only fall as a difference grows
(monotone constraints): more of a difference never makes two pictures more alike, which the original's model does not hold.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

CHEAT, HONEST, REPORTED = 0, 1, 2
HEAD = 4  # request, held out, kind, label
ROUNDS, FOLDS = 250, 3
PARAMETERS = {
    "objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.7,
    "min_child_weight": 5, "lambda": 1.0, "seed": 1, "nthread": 1, "verbosity": 1,
}


def weighted(x, y, w, rng):
    """What is trained on: whole rows, half as heavy those of hosts without CLIP, and lightly claims, which have hashes and CLIP alone and would
    teach that hashes say it all. Both labels weigh the same."""
    without, claims = x.copy(), x.copy()
    without[:, -1] = np.nan
    claims[:, 4:-1] = np.nan
    some = rng.random(len(x)) < 0.3
    x, y, w = np.concatenate([x, without, claims[some]]), np.concatenate([y, y, y[some]]), np.concatenate([w, w / 2, w[some] / 6])
    return x, y, w * np.where(y == HONEST, 0.5 / (w[y == HONEST].sum() / w.sum()), 0.5 / (w[y == CHEAT].sum() / w.sum()))


def train(x, y, w, names, rng):
    x, y, weight = weighted(x, y, w, rng)
    data = xgb.DMatrix(x, label=y, weight=weight, missing=np.nan, feature_names=names)
    constraints = "(" + ",".join(["-1"] * len(names)) + ")"
    return xgb.train({**PARAMETERS, "monotone_constraints": constraints}, data, num_boost_round=ROUNDS)


def margins(model, x, names):
    return model.predict(xgb.DMatrix(x, missing=np.nan, feature_names=names), output_margin=True)


def threshold(x, y, w, kinds, request, about, rng):
    """tau, from predictions of models that have not seen the request: halfway, in log odds, between what honest pairs nearly always exceed
    and what the nearest cheats nearly never do."""
    out = np.zeros(len(x))
    for fold in range(FOLDS):
        mine = request.astype(int) % FOLDS == fold
        out[mine] = margins(train(x[~mine], y[~mine], w[~mine], about["features"], rng), x[mine], about["features"])
    counted = (y == HONEST) & ~np.isin(kinds, [i for i, k in enumerate(about["kinds"]) if k in about.get("apart", [])])
    low = np.quantile(out[counted if counted.any() else y == HONEST], 0.0003)
    near = [np.quantile(out[(y == CHEAT) & (kinds == k)], 0.998) for k in np.unique(kinds[y == CHEAT])]
    middle = (low + max(near)) / 2
    print(f"fit: honest margins exceed {low:.2f}, cheats' stay below {max(near):.2f}", file=sys.stderr)
    return 1 / (1 + np.exp(-min(middle, low)))


def main(rows, target):
    about = json.loads(rows.read_text())
    data = np.fromfile(rows.with_suffix(".f32"), "<f4").reshape(about["rows"], -1)
    unseen = [i for i, k in enumerate(about["kinds"]) if k in about["unseen"]]
    seen = data[(data[:, 1] == 0) & (data[:, 3] != REPORTED) & ~np.isin(data[:, 2], unseen)]
    request, kinds, y, x = seen[:, 0], seen[:, 2], seen[:, 3], seen[:, HEAD:]
    weights = about.get("weights", {})
    w = np.array([weights.get(k, 1.0) for k in about["kinds"]])[kinds.astype(int)]
    if not (y == HONEST).any() or not (y == CHEAT).any():
        raise SystemExit("fit: there must be honest pairs and cheats to learn from")
    print(f"fit: {len(seen)} pairs, {int((y == HONEST).sum())} of them honest", file=sys.stderr)
    tau = threshold(x, y, w, kinds, request, about, np.random.default_rng(1))
    model = train(x, y, w, about["features"], np.random.default_rng(2))
    model.save_model(str(target))
    target.with_suffix(".tau").write_text(f"{tau:.6f}\n")
    gain = model.get_score(importance_type="total_gain")
    for name in sorted(gain, key=gain.get, reverse=True):
        print(f"fit: {name:12s} {gain[name] / sum(gain.values()):6.1%}", file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
