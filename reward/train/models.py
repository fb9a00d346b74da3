#!/usr/bin/python3
"""Makes the model folders that the renders need, from the bundled ones: python3 models.py WORK

half        every activation rounded to float16, as a GPU that computes in half precision stores them: honest hardware
merged      the UNet halfway between tiny's and tiny-inpaint's, as communities merge checkpoints: another checkpoint
int8        weights rounded to 8 bits a channel: a model of its own, reported
"""
import pathlib
import shutil
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

MODELS = pathlib.Path("examples/models")

# What computes. Shapes, casts and copies have nothing to round.
ROUNDED = {"Add", "Sub", "Mul", "Div", "Pow", "MatMul", "Gemm", "Conv", "ConvTranspose", "Softmax", "LayerNormalization",
           "InstanceNormalization", "Sigmoid", "Erf", "Sin", "Cos", "Tanh", "Exp", "Sqrt", "ReduceMean", "Resize", "LeakyRelu", "PRelu",
           "Relu"}


def rounded(path, element):
    """The graph with each float result stored as element for a moment."""
    model = shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    floats = {v.name for v in list(graph.value_info) + list(graph.output) if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type not in ROUNDED:
            continue
        for i, name in enumerate(node.output):
            if name not in floats:
                continue
            node.output[i] = name + "/exact"
            nodes.append(helper.make_node("Cast", [name + "/exact"], [name + "/stored"], to=element))
            nodes.append(helper.make_node("Cast", [name + "/stored"], [name], to=TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def int8(path):
    """The graph with every weight of two and more axes on 255 levels a channel."""
    model = onnx.load(path)
    for t in model.graph.initializer:
        w = numpy_helper.to_array(t)
        if w.ndim < 2 or w.dtype not in (np.float16, np.float32):
            continue
        v = w.astype(np.float32)
        scale = np.abs(v).max(axis=tuple(range(1, v.ndim)), keepdims=True) / 127
        v = np.round(v / np.maximum(scale, 1e-12)) * scale
        t.CopyFrom(numpy_helper.from_array(v.astype(w.dtype), t.name))
    return model


def weights(model):
    """The weights by what they are: exporters give constants names of their own, but both were traced from one network."""
    return [t for t in model.graph.initializer if numpy_helper.to_array(t).dtype in (np.float16, np.float32)]


def merged(own, other, share):
    """own with its weights moved by share towards other's; where one has more input channels, the common ones."""
    a, b = onnx.load(own), onnx.load(other)
    mine, theirs = weights(a), weights(b)
    if len(mine) != len(theirs):
        raise SystemExit(f"models: {own} has {len(mine)} weights, {other} {len(theirs)}")
    moved = 0
    for t, u in zip(mine, theirs):
        w, v = numpy_helper.to_array(t).copy(), numpy_helper.to_array(u)
        if w.ndim != v.ndim or w.ndim and w.shape[0] != v.shape[0]:
            raise SystemExit(f"models: {t.name} is {w.shape}, {u.name} {v.shape}")
        common = tuple(slice(0, min(x, y)) for x, y in zip(w.shape, v.shape))
        w[common] = ((1 - share) * w[common].astype(np.float32) + share * v[common].astype(np.float32)).astype(w.dtype)
        t.CopyFrom(numpy_helper.from_array(w, t.name))
        moved += 1
    print(f"models: merged {moved} weights of {own}")
    return a


def folder(source, target, change):
    """A copy of a model folder in which change has made the graphs that it returns."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)  # links become files: the copy stands alone
    for path in sorted(target.rglob("*.onnx")):
        model = change(path.relative_to(target))
        if model is not None:
            onnx.save(model, path)
    print("models:", target)


def main(work):
    for name in ("tiny", "tiny-inpaint", "tiny-upscale", "tiny-clip"):
        source = MODELS / name
        heavy = lambda p: p.parts[0] != "safety_checker"
        folder(source, work / "half" / name, lambda p: rounded(source / p, TensorProto.FLOAT16) if heavy(p) else None)
        folder(source, work / "int8" / name, lambda p: int8(source / p) if heavy(p) else None)
    unets = [MODELS / name / "unet" / "model.onnx" for name in ("tiny", "tiny-inpaint")]
    folder(MODELS / "tiny", work / "merged/tiny", lambda p: merged(unets[0], unets[1], 0.5) if p.parts[0] == "unet" else None)
    folder(MODELS / "tiny-inpaint", work / "merged/tiny-inpaint", lambda p: merged(unets[1], unets[0], 0.5) if p.parts[0] == "unet" else None)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
