"""Writes crates/formats/tests/fixtures: a small generator and discriminator in the ways in which PyTorch keeps them.

    python tools/reference/model_file_fixtures.py [NAME ...]

Without names it writes all of them. File names carry the version of PyTorch. Those committed are all of them by 2.11,
and by 1.13 (the oldest that is supported), 2.4 and 2.15 these, all on Python 3.11:

    generator-scripted generator-traced generator-state-dict discriminator-scripted discriminator-traced

kind-NAME.* are what checkpoint_kinds.py calls NAME, by 2.11.

Values are the exact fractions of `values`, which the tests compute again; nothing is random. Debug files, in which
PyTorch notes where on the writing machine the source was, are left out; every other byte of an entry is PyTorch's.
"""

import struct
import sys
import warnings
from pathlib import Path

import torch
from torch import nn

from checkpoint_kinds import kinds
from networks import Named, Wrapped, discriminator, generator

FIXTURES = Path(__file__).parents[2] / "crates/formats/tests/fixtures"
KINDS = """
    averaged fixed-noise noise-beside-layers extra.safetensors ema-pytorch half-beside containers twice flat flat-old python2 pytorch03 two bfloat16
    float64 float16.safetensors counts-as-floats lightning attributes protocol4 numpy namespace dict-subclass path-not-utf8 by-epoch
    deep-config holds-itself quantized-old
""".split()
VERSION = ".".join(torch.__version__.split(".")[:2])


def values(index, name, shape):
    """The tensor at `index` of a state_dict: multiples of 1/128 in [-50/128, 50/128], variances in [1, 1 + 50/128]."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000 + index)
    length = torch.Size(shape).numel()
    flat = ((torch.arange(length) * 37 + 11 * index) % 101 - 50).float() / 128
    if name.endswith("running_var"):
        flat = 1 + flat.abs()
    return flat.reshape(shape)


def filled(net):
    with torch.no_grad():
        for index, (name, tensor) in enumerate(net.state_dict().items()):
            tensor.copy_(values(index, name, tensor.shape))
    return net


def without_debug_files(path):
    """Removes `*.debug_pkl` from a zip and keeps headers, contents and descriptors of the other entries as they are."""
    old = path.read_bytes()
    count, _, at = struct.unpack_from("<HII", old, old.rindex(b"PK\x05\x06") + 10)
    records, end = [], at
    for _ in range(count):
        lengths = struct.unpack_from("<HHH", old, at + 28)
        record = old[at : at + 46 + sum(lengths)]
        records.append((struct.unpack_from("<I", record, 42)[0], record[46 : 46 + lengths[0]], record))
        at += len(record)
    records.sort()
    starts = [start for start, _, _ in records] + [end]
    new, directory = bytearray(), bytearray()
    kept = 0
    for (start, name, record), stop in zip(records, starts[1:]):
        if not name.endswith(b".debug_pkl"):
            directory += record[:42] + struct.pack("<I", len(new)) + record[46:]
            new += old[start:stop]
            kept += 1
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, kept, kept, len(directory), len(new), 0)
    path.write_bytes(new + directory + tail)


def save_safetensors(net, path):
    from safetensors.torch import save_file

    save_file(net.state_dict(), path)


def save_in_old_layout(state, path):
    """As `torch.save` did before 1.6."""
    torch.save(state, path, _use_new_zipfile_serialization=False)


def checkpoint(net_g, net_d):
    """What many training loops save: both networks, an optimizer that has made a step, numbers."""
    optimizer = torch.optim.Adam(net_d.parameters())
    before = {name: tensor.clone() for name, tensor in net_d.state_dict().items()}
    net_d(torch.ones(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    net_d.load_state_dict(before)
    return {
        "epoch": 3,
        "netG": net_g.state_dict(),
        "netD": net_d.state_dict(),
        "optimizerD": optimizer.state_dict(),
        "losses": [1.5, 0.25],
    }


def main():
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    g = filled(generator(image_size=32, latent=4, base=2))
    d = filled(discriminator(image_size=32, base=2))
    wrapped = Wrapped(filled(generator(image_size=32, latent=4, base=2)))
    wrapped_d = Wrapped(filled(discriminator(image_size=32, base=2)))
    last = Wrapped(filled(generator(image_size=32, latent=4, base=2))).to(memory_format=torch.channels_last)
    traced = torch.jit.trace(wrapped.eval(), torch.zeros(2, 4, 1, 1))
    named, shuffled = (Named(filled(generator(image_size=32, latent=4, base=2)), in_order) for in_order in (True, False))
    in_training = torch.jit.trace(filled(generator(image_size=32, latent=4, base=2)).train(), torch.zeros(2, 4, 1, 1))
    filled(in_training)
    traced_d = torch.jit.trace(wrapped_d.eval(), torch.zeros(2, 3, 32, 32))
    writers = {
        "generator-scripted": lambda name: torch.jit.script(g).save(f"{name}.pt"),
        "generator-traced": lambda name: traced.save(f"{name}.pt"),
        "generator-state-dict": lambda name: torch.save(g.state_dict(), f"{name}.pth"),
        "generator-example": lambda name: torch.save(wrapped.state_dict(), f"{name}.pth"),
        "generator-parallel": lambda name: torch.save(nn.DataParallel(wrapped).state_dict(), f"{name}.pth"),
        "generator-old-layout": lambda name: save_in_old_layout(wrapped.state_dict(), f"{name}.pth"),
        "checkpoint": lambda name: torch.save(checkpoint(wrapped, wrapped_d), f"{name}.pth"),
        "generator-frozen": lambda name: torch.jit.freeze(torch.jit.script(g.eval())).save(f"{name}.pt"),
        "generator-channels-last": lambda name: torch.save(last.state_dict(), f"{name}.pth"),
        "generator-whole": lambda name: torch.save(g, f"{name}.pth"),
        "generator-named-traced": lambda name: torch.jit.trace(named.eval(), torch.zeros(2, 4, 1, 1)).save(f"{name}.pt"),
        "generator-named-scripted": lambda name: torch.jit.script(shuffled.eval()).save(f"{name}.pt"),
        "generator-traced-in-training": lambda name: in_training.save(f"{name}.pt"),
        "generator": lambda name: save_safetensors(g, f"{name}.safetensors"),
        "discriminator-scripted": lambda name: torch.jit.script(d).save(f"{name}.pt"),
        "discriminator-traced": lambda name: traced_d.save(f"{name}.pt"),
        "discriminator-example": lambda name: torch.save(wrapped_d.state_dict(), f"{name}.pth"),
    }
    FIXTURES.mkdir(parents=True, exist_ok=True)
    if not sys.argv[1:]:
        torch.manual_seed(0)
        for path, _ in kinds(g, d, FIXTURES, KINDS):
            path.rename(FIXTURES / f"kind-{path.name}")
    for name in sys.argv[1:] or writers:
        writers[name](str(FIXTURES / f"{name}-{VERSION}"))
        path = FIXTURES / f"{name}-{VERSION}.pt"
        if path.exists():
            without_debug_files(path)
            torch.jit.load(path)


if __name__ == "__main__":
    main()
