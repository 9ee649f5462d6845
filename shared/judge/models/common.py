"""Derives minilm-static-256/common.safetensors anew: what all posts have in common, to be taken away before likeness.

    python3 -m venv .venv && .venv/bin/pip install numpy
    .venv/bin/python shared/judge/models/common.py            # compares what it derives with the shipped file
    .venv/bin/python shared/judge/models/common.py --write    # and replaces it

Posts are those of the rows that the judge may be tuned by (evaluation/rows), without their
labels. Each is the normalised sum of its pieces' weighted rows. `mean` is the mean of these vectors, `components` are
the three directions in which they differ most (Mu and Viswanath 2018, "All-but-the-top"): language, length, tone, not
subject.
"""

import argparse
import json
import struct
import sys
import unicodedata
from pathlib import Path

import numpy as np

MODELS = Path(__file__).parent / "minilm-static-256"
ROWS = Path(__file__).parents[1] / "evaluation/rows"
COMPONENTS = 3


def read_table() -> np.ndarray:
    """A weighted row per piece."""
    data = (MODELS / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])

    def tensor(name: str, kind: type) -> np.ndarray:
        start, end = (8 + length + offset for offset in header[name]["data_offsets"])
        return np.frombuffer(data[start:end], kind).reshape(header[name]["shape"])

    return tensor("weights", np.float32)[:, None] * tensor("embeddings", np.int8).astype(np.float32)


def posts() -> list[str]:
    """The different posts of the tuned rows, in order of their text."""
    rows = [json.loads(line) for file in sorted(ROWS.glob("*.jsonl")) for line in file.open(encoding="utf-8")]
    early = [line.split("\t") for line in (ROWS / "judge-dev.tsv").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return sorted({row["post"] for row in rows if row["split"] == "tuned"} | {cells[1] for cells in early})


def words(text: str) -> list[str]:
    """Lower case, without accents, cut at white space and punctuation, which is left out."""
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn").lower()
    return "".join(" " if is_punctuation(c) else c for c in plain).split()


def is_punctuation(c: str) -> bool:
    return unicodedata.category(c).startswith("P") or (c.isascii() and c.isprintable() and not c.isalnum())


def pieces(word: str, ids: dict[str, int]) -> list[int]:
    """The longest piece first; none if a part of the word has none."""
    found, start = [], 0
    while start < len(word):
        ends = range(len(word), start, -1)
        end = next((end for end in ends if ("##" if start else "") + word[start:end] in ids), None)
        if end is None:
            return []
        found.append(ids[("##" if start else "") + word[start:end]])
        start = end
    return found


def derive() -> tuple[np.ndarray, np.ndarray]:
    """The mean and the components."""
    table = read_table()
    vocabulary = (MODELS / "vocab.txt").read_text(encoding="utf-8").splitlines()
    ids = {piece: at for at, piece in enumerate(vocabulary)}
    texts = [[piece for word in words(post) for piece in pieces(word, ids)] for post in posts()]
    vectors = np.stack([table[text].sum(0) for text in texts if text]).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors.mean(0)
    components = np.linalg.svd(vectors - mean, full_matrices=False)[2][:COMPONENTS]
    # The sign of a direction is open: the first number's decides it.
    components *= np.sign(components[:, :1])
    return mean.astype(np.float32), components.astype(np.float32)


def write(mean: np.ndarray, components: np.ndarray) -> None:
    at = mean.nbytes
    header = {
        "mean": {"dtype": "F32", "shape": list(mean.shape), "data_offsets": [0, at]},
        "components": {"dtype": "F32", "shape": list(components.shape), "data_offsets": [at, at + components.nbytes]},
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (MODELS / "common.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + mean.tobytes() + components.tobytes())


def compare(mean: np.ndarray, components: np.ndarray) -> bool:
    """Whether the shipped file says the same; files of rows that came later move it a little."""
    data = (MODELS / "common.safetensors").read_bytes()
    shipped = np.frombuffer(data[-mean.nbytes - components.nbytes :], np.float32).reshape(1 + COMPONENTS, -1)
    here = np.concatenate([mean[None], components])
    cosines = (here * shipped).sum(1) / np.linalg.norm(here, axis=1) / np.linalg.norm(shipped, axis=1)
    print("cosines of the mean and the components with the shipped ones:", cosines.round(4))
    return bool((cosines > 0.95).all())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="replace the shipped file")
    arguments = parser.parse_args()
    mean, components = derive()
    if arguments.write:
        write(mean, components)
    elif not compare(mean, components):
        sys.exit("what is derived is not what is shipped")


if __name__ == "__main__":
    main()
