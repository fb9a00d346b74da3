#!/usr/bin/python3
"""Has XGBoost learn which pairs are the same: python3 fit.py ROWS.json MODEL.json

ROWS.f32 has the rows. Trains on those whose prompt is not held out and whose kind is not held out either. Trees may only fall as a difference grows
(monotone constraints): more of a difference never makes two pictures more alike, which the original's model does not hold. They may only rise with the
share that was painted.
"""
import json
import pathlib
import sys

import numpy as np
import xgboost as xgb

CHEAT, HONEST, REPORTED = 0, 1, 2
HEAD = 4  # request, held out, kind, label
ROUNDS, FOLDS = 250, 3
APART = 0.3  # the weight of honest kinds that are counted apart
RISING = ["painted"]  # what is no difference
PARAMETERS = {
    "objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.7,
    "lambda": 1.0, "seed": 1, "nthread": 1, "verbosity": 1,
}


def weighted(x, y, w, names, rng):
    """What is trained on: whole rows, half as heavy those of hosts without CLIP, and lightly claims, which have hashes and CLIP alone and would
    teach that hashes say it all. Both labels weigh the same."""
    without, claims = x.copy(), x.copy()
    without[:, names.index("clip")] = np.nan
    claims[:, [i for i, name in enumerate(names) if i >= 4 and name not in ("painted", "clip")]] = np.nan
    some = rng.random(len(x)) < 0.3
    x, y, w = np.concatenate([x, without, claims[some]]), np.concatenate([y, y, y[some]]), np.concatenate([w, w / 2, w[some] / 6])
    return x, y, w * np.where(y == HONEST, 0.5 / (w[y == HONEST].sum() / w.sum()), 0.5 / (w[y == CHEAT].sum() / w.sum()))


def train(x, y, w, request, names, rng):
    """Leaves need as much weight as the pairs of one request have, so that none is made for a single request."""
    x, y, weight = weighted(x, y, w, names, rng)
    leaf = weight.sum() / len(np.unique(request))
    data = xgb.DMatrix(x, label=y, weight=weight, missing=np.nan, feature_names=names)
    constraints = "(" + ",".join("1" if name in RISING else "-1" for name in names) + ")"
    return xgb.train({**PARAMETERS, "min_child_weight": leaf, "monotone_constraints": constraints}, data, num_boost_round=ROUNDS)


def margins(model, x, names):
    return model.predict(xgb.DMatrix(x, missing=np.nan, feature_names=names), output_margin=True)


def threshold(x, y, w, kinds, request, about, rng):
    """tau in log odds, from predictions of models that have not seen the request: where the worst of the error rates that have a bar, as a share of its
    bar, is least; of such places where the fewest of all pairs err, those without a bar too; of these, the one in the middle."""
    out = np.zeros(len(x))
    for fold in range(FOLDS):
        mine = request.astype(int) % FOLDS == fold
        out[mine] = margins(train(x[~mine], y[~mine], w[~mine], request[~mine], about["features"], rng), x[mine], about["features"])
    number = {name: i for i, name in enumerate(about["kinds"])}
    counted = (y == HONEST) & ~np.isin(kinds, [number[k] for k in about["apart"] if k in number])
    if not counted.any():  # all that is trained on of the strict kind counts apart; cheats alone must not say where tau lies
        counted = y == HONEST
    places = np.unique(out)
    places = np.concatenate([places[:1] - 1, (places[1:] + places[:-1]) / 2, places[-1:] + 1])
    worst = np.zeros(len(places))
    for name, bar in about["bars"].items():
        mine = np.sort(out[counted if name == "honest" else (y == CHEAT) & (kinds == number.get(name, -1))])
        below = np.searchsorted(mine, places)  # those that are told to be different
        if len(mine):
            worst = np.maximum(worst, (below if name == "honest" else len(mine) - below) / len(mine) / bar)
    refused, told = [np.searchsorted(np.sort(out[y == label]), places) / (y == label).sum() for label in (HONEST, CHEAT)]
    every = np.where(worst == worst.min(), refused + 1 - told, np.inf)
    best = places[every == every.min()]
    print(f"fit: the worst error is {worst.min():.2f} of its bar, from {best[0]:.2f} to {best[-1]:.2f}", file=sys.stderr)
    return 1 / (1 + np.exp(-best[len(best) // 2]))


def main(rows, target):
    about = json.loads(rows.read_text())
    data = np.fromfile(rows.with_suffix(".f32"), "<f4").reshape(about["rows"], -1)
    unseen = [i for i, k in enumerate(about["kinds"]) if k in about["unseen"]]
    seen = data[(data[:, 1] == 0) & (data[:, 3] != REPORTED) & ~np.isin(data[:, 2], unseen)]
    request, kinds, y, x = seen[:, 0], seen[:, 2], seen[:, 3], seen[:, HEAD:]
    weights = about.get("weights", {})
    w = np.array([weights.get(k, APART if k in about["apart"] else 1.0) for k in about["kinds"]])[kinds.astype(int)]
    if not (y == HONEST).any() or not (y == CHEAT).any():
        raise SystemExit("fit: there must be honest pairs and cheats to learn from")
    print(f"fit: {len(seen)} pairs, {int((y == HONEST).sum())} of them honest", file=sys.stderr)
    tau = threshold(x, y, w, kinds, request, about, np.random.default_rng(1))
    model = train(x, y, w, request, about["features"], np.random.default_rng(2))
    model.save_model(str(target))
    target.with_suffix(".tau").write_text(f"{tau:.6f}\n")
    gain = model.get_score(importance_type="total_gain")
    for name in sorted(gain, key=gain.get, reverse=True):
        print(f"fit: {name:12s} {gain[name] / sum(gain.values()):6.1%}", file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
