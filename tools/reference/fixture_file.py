"""Writes a fixture: a safetensors file that is the same on every run."""

import json

import torch
from safetensors.torch import save


def write(path, tensors, **metadata):
    """Saves `tensors` with `metadata` and the version of PyTorch; prints what was written."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    data = save(tensors, metadata={key: str(value) for key, value in metadata.items()} | {"torch": torch.__version__})
    # The library writes the metadata in random order.
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    ordered = {"__metadata__": dict(sorted(header.pop("__metadata__").items())), **header}
    text = json.dumps(ordered, separators=(",", ":")).encode().ljust(length)
    assert len(text) == length
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data[:8] + text + data[8 + length :])
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")
