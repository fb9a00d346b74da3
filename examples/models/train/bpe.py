"""A byte-pair tokenizer in CLIP's format (vocab.json, merges.txt), learned on the captions of the world."""
import json
import random
import re
from collections import Counter

import world

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
WORD = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")


def byte_symbols():
    """GPT-2's printable stand-ins for the 256 bytes, in the order of CLIP's vocabulary."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    symbols = {b: chr(b) for b in keep}
    extra = 0
    for b in range(256):
        if b not in symbols:
            symbols[b] = chr(256 + extra)
            extra += 1
    return [symbols[b] for b in keep] + [symbols[b] for b in range(256) if b not in keep]


def merge(word, pair):
    out, i = [], 0
    while i < len(word):
        if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)


def learn(seed=1, captions=40000):
    """Merges until every word of the captions is one token. Returns (vocab, merges)."""
    rng = random.Random(seed)
    counts = Counter()
    for s in world.scenes(seed, captions):
        counts.update(WORD.findall(world.draw_caption(rng, s)))
    words = {tuple(w[:-1]) + (w[-1] + "</w>",): n for w, n in counts.items()}
    merges = []
    while True:
        pairs = Counter()
        for w, n in words.items():
            for p in zip(w, w[1:]):
                pairs[p] += n
        if not pairs:
            break
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        words = {merge(w, best): n for w, n in words.items()}
    base = byte_symbols()
    tokens = base + [b + "</w>" for b in base] + ["".join(m) for m in merges] + [START, END]
    return {t: i for i, t in enumerate(tokens)}, merges


class Tokenizer:
    def __init__(self, vocab, merges):
        self.vocab, self.ranks = vocab, {m: i for i, m in enumerate(merges)}
        self.cache = {}

    def word(self, w):
        if w not in self.cache:
            parts = tuple(w[:-1]) + (w[-1] + "</w>",)
            while len(parts) > 1:
                best = min(zip(parts, parts[1:]), key=lambda p: self.ranks.get(p, 1 << 30))
                if best not in self.ranks:
                    break
                parts = merge(parts, best)
            self.cache[w] = [self.vocab[p] for p in parts]
        return self.cache[w]

    def __call__(self, text, length=LENGTH):
        ids = [self.vocab[START]]
        for w in WORD.findall(text.lower()):
            ids += self.word(w)
        ids = ids[:length - 1] + [self.vocab[END]]
        return ids + [self.vocab[END]] * (length - len(ids))


def save(folder, vocab, merges):
    with open(folder + "/vocab.json", "w", encoding="utf-8") as f:
        json.dump(vocab, f, ensure_ascii=False)
        f.write("\n")
    with open(folder + "/merges.txt", "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join("%s %s\n" % m for m in merges))
