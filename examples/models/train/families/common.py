"""Deterministic weights, ONNX export with external weights, and the files of a fixture."""
import gzip
import hashlib
import io
import json
import os
import re
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.normpath(os.path.join(HERE, "../../../../sdk/diffusion/testdata/families"))
WORK = os.path.normpath(os.path.join(HERE, "../work/families"))  # graphs with their weights written out, not committed
ALIGN = 64  # bytes

torch.set_num_threads(1)
torch.set_grad_enabled(False)


# --- weights ---------------------------------------------------------------------------------------------------------------

def fnv1a64(text):
    h = 0xcbf29ce484222325
    for b in text.encode():
        h = (h ^ b) * 0x100000001b3 & 0xffffffffffffffff
    return h


def uniform(name, count):
    """count float32 in [-1, 1): element i is the top 24 bits of splitmix64 at the state fnv1a64(name) + i."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a64(name)) + np.arange(count, dtype=np.uint64) + np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 2**24 * 2 - 1).astype(np.float32)


def standard(name, shape):
    """base and scale of a tensor: norms near 1, small biases, and matrices that keep the variance of what they multiply."""
    if name.endswith("bias"):
        return 0.0, 0.05
    if len(shape) < 2:
        return 1.0, 0.1
    if name.endswith("token_embedding.weight"):
        return 0.0, 1.0
    if name.endswith("position_embedding.weight"):
        return 0.0, 0.3
    return 0.0, float(np.sqrt(3 / np.prod(shape[1:])))


def fill(net, gains=(), fixed=()):
    """Gives every tensor of net's state_dict its pseudo-random values. Returns {name: (base, scale)} with float32 numbers.

    gains: (pattern, factor) pairs that multiply the standard scale, all that match; fixed: (pattern, base, scale), the first that matches.
    """
    recipe = {}
    for name, tensor in net.state_dict().items():
        base, scale = standard(name, tuple(tensor.shape))
        for pattern, factor in gains:
            if re.search(pattern, name):
                scale *= factor
        for pattern, b, s in fixed:
            if re.search(pattern, name):
                base, scale = b, s
                break
        base, scale = np.float32(base), np.float32(scale)
        values = base + scale * uniform(name, tensor.numel())
        assert values.dtype == np.float32
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
        recipe[name] = (float(base), float(scale))
    return recipe


def check_keys(net, listing, only=".", absent="^$", fixtures=FIXTURES):
    """The names of net's tensors that match only must be the published ones, less those that match absent; ranks and kernel sizes too.

    Returns what family.json says of it, for its reader to check again.
    """
    with gzip.open(os.path.join(fixtures, listing), "rt") as f:
        rows = [line.split() for line in f]
    published = {r[0]: [int(d) for d in r[1:]] for r in rows if re.search(only, r[0]) and not re.search(absent, r[0])}
    ours = {name: list(t.shape) for name, t in net.state_dict().items() if re.search(only, name)}
    assert published.keys() == ours.keys(), sorted(published.keys() ^ ours.keys())[:20]
    for name, shape in published.items():
        assert len(shape) == len(ours[name]) and shape[2:] == ours[name][2:], (name, shape, ours[name])
    return {"list": listing, "only": only, "absent": absent}


# --- ONNX ------------------------------------------------------------------------------------------------------------------

class Wrap(torch.nn.Module):
    """A graph's own signature around a network: its tensors are net.*, and export takes the net. off again."""

    def __init__(self, net, forward):
        super().__init__()
        self.net, self.call = net, forward

    def forward(self, *inputs):
        return self.call(self.net, *inputs)


def halve(model):
    """Turns a graph that was traced in float64 into a float16 one. Its float32 parts, as the time embedding, stay."""
    def visit(attribute):
        if attribute.name == "to" and attribute.i == TensorProto.DOUBLE:
            attribute.i = TensorProto.FLOAT16
        if attribute.HasField("t") and attribute.t.data_type == TensorProto.DOUBLE:
            attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float16)))
    for node in model.graph.node:
        for attribute in node.attribute:
            visit(attribute)
    for value in list(model.graph.input) + list(model.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.DOUBLE:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16


def shorten(graph):
    """Replaces the exporter's long names of inner values and drops its notes."""
    keep = {v.name for v in list(graph.input) + list(graph.output) + list(graph.initializer)}
    short = {}
    for node in graph.node:
        node.name, node.doc_string = "", ""
        assert not any(a.HasField("g") for a in node.attribute), "a subgraph"
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name and name not in keep:
                    names[i] = short.setdefault(name, "v%d" % len(short))
    del graph.value_info[:]
    graph.doc_string = ""


def export(folder, part, module, recipe, inputs, outputs, axes=None, half=False, opset=17, name="model"):
    """Writes folder/part/model.onnx.gz and weights.json.gz as a fixture, and the whole model under WORK.

    Another name than model gives NAME.onnx.gz and weights.NAME.json.gz, for a folder of several graphs.

    inputs: {name: tensor}; outputs: names; axes: dynamic_axes as torch.onnx.export takes them, None for a graph of fixed axes.
    recipe: what fill returned; a module that wraps the filled network calls it net. half: module and inputs are float64, the
    graph becomes float16.
    """
    stream = io.BytesIO()
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    torch.onnx.export(module.eval(), tuple(inputs.values()), stream, input_names=list(inputs), output_names=outputs,
                      dynamic_axes=axes or {}, opset_version=opset, do_constant_folding=False)
    model = onnx.load_from_string(stream.getvalue())
    graph = model.graph
    assert [v.name for v in graph.input] == list(inputs), [v.name for v in graph.input]
    rename = {t.name: t.name[4:] for t in graph.initializer if t.name.startswith("net.")}
    for node in graph.node:
        for i, old in enumerate(node.input):
            node.input[i] = rename.get(old, old)
    kind, numpy_type = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    weights, rows, blob = name + ".onnx_data", [], bytearray()
    for tensor in sorted(graph.initializer, key=lambda t: t.name):
        tensor.name = rename.get(tensor.name, tensor.name)
        base, scale = recipe[tensor.name]
        shape = list(tensor.dims)
        values = (np.float32(base) + np.float32(scale) * uniform(tensor.name, int(np.prod(shape)))).astype(numpy_type)
        blob += bytes(-len(blob) % ALIGN)
        rows.append({"name": tensor.name, "shape": shape, "offset": len(blob), "base": base, "scale": scale})
        tensor.Clear()
        tensor.name, tensor.data_type, tensor.data_location = rows[-1]["name"], kind, TensorProto.EXTERNAL
        tensor.dims.extend(shape)
        for key, value in (("location", weights), ("offset", len(blob)), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        blob += values.tobytes()
    if half:
        halve(model)
    shorten(graph)
    target, work = os.path.join(FIXTURES, folder, part), os.path.join(WORK, folder, part)
    os.makedirs(work, exist_ok=True)
    with open(work + "/" + weights, "wb") as f:
        f.write(blob)
    data = model.SerializeToString(deterministic=True)
    with open(work + "/" + name + ".onnx", "wb") as f:
        f.write(data)
    onnx.checker.check_model(work + "/" + name + ".onnx")
    write_gzip(target + "/" + name + ".onnx.gz", data)
    lines = ",\n  ".join(json.dumps(r) for r in rows)
    digest = hashlib.sha256(blob).hexdigest()
    head = '{"file": "%s", "type": "%s", "bytes": %d, "sha256": "%s",\n "tensors": [\n  ' % (
        weights, "float16" if half else "float32", len(blob), digest)
    write_gzip(target + ("/weights.json.gz" if name == "model" else "/weights.%s.json.gz" % name), (head + lines + "]}\n").encode())
    print("%-36s %5d nodes %4d KB gz, weights %6.2f MB" % (
        os.path.join(folder, part, name), len(graph.node), os.path.getsize(target + "/" + name + ".onnx.gz") // 1024, len(blob) / 1e6), flush=True)
    save_check(work + "/" + name + ".check.json", inputs, module(*inputs.values()), outputs)


def save_check(path, inputs, results, outputs):
    """What torch answers for the traced inputs, for check.mjs to compare ONNX Runtime's answers with."""
    results = [results] if torch.is_tensor(results) else list(results)
    flat = []
    for r in results:
        flat += [r] if torch.is_tensor(r) else list(r)
    def entry(t):
        return {"shape": list(t.shape), "type": str(t.dtype).split(".")[1], "data": t.double().flatten().tolist()}
    with open(path, "w") as f:
        json.dump({"inputs": {k: entry(v) for k, v in inputs.items()}, "outputs": dict(zip(outputs, map(entry, flat)))}, f)


# --- files -----------------------------------------------------------------------------------------------------------------

def write_text(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def write_json(path, value):
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_gzip(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(gzip.compress(data, 9, mtime=0))


def write_config(folder, part, config, name="config.json"):
    write_json(os.path.join(FIXTURES, folder, part, name), config)


def write_u16(path, images, step=16):
    """Stores numbers in [0, 1] as little-endian uint16, 65535 x in multiples of step, gzip-compressed.

    Multiples of 16 are off by 1.2e-4 at most, which a tolerance of 1e-3 bears, and take a quarter less room.
    """
    x = np.asarray(images, dtype=np.float64)
    assert x.min() >= 0 and x.max() <= 1
    write_gzip(path, np.minimum(np.round(x * 65535 / step) * step, 65535).astype("<u2").tobytes())


# --- pictures --------------------------------------------------------------------------------------------------------------

def picture(formula, w, h):
    """A synthetic uint8 RGB picture [h, w, 3] by one of three formulas, which the fixtures' reader knows too."""
    y, x = np.mgrid[0:h, 0:w]
    if formula == 0:
        planes = [3 * x + 5 * y, 7 * x + 2 * y + 31, x * y]
    elif formula == 1:
        planes = [x * 255 // (w - 1), y * 255 // (h - 1), (x + y) * 255 // (w + h - 2)]
    else:
        planes = [((x // 8 + y // 8) % 2) * 255, ((x // 16) % 2) * 200 + 20, x * x + y * y]
    return np.stack([p % 256 for p in planes], -1).astype(np.uint8)
