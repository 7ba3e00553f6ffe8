"""Ways in which people keep a generator in PyTorch, beside other things.

`kinds(net_g, net_d, folder)` writes one file of each kind into `folder` and gives (path, name): `name` is what
`--network` needs where the file holds several generators, or None. `torch.load(path, weights_only=True)` reads them all
but those in `REFUSED_BY_TORCH`, whose objects it will not make; they become inert here. Every file's generator has the
values of `net_g`, in the type that its name says.

tools/reference/model_file_fixtures.py takes them as fixtures, tools/check/checkpoints.py draws with them.
"""

import argparse
import collections
import copy
import datetime
import functools
import pathlib
import pickle
import types

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

REFUSED_BY_TORCH = (
    *("numpy", "namespace", "datetime", "pathlib", "own-class", "dict-subclass", "path-not-utf8"),
    # Its unpickler for weights knows protocol 2 alone.
    *("protocol4", "protocol5", "protocol4-old"),
)


class Config:
    """A class that nobody else has."""

    def __init__(self):
        self.lr = 2e-4


class Options(dict):
    """As easydict's and addict's."""


class Python2(pickle._Pickler):
    """Writes texts and dicts as Python 2 did, and tensors as PyTorch 0.3 did if `old_tensors`."""

    old_tensors = False

    def save_str(self, text):
        data = text.encode()
        if len(data) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(data)]) + data)
        else:
            self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(text)

    def reducer_override(self, value):
        if isinstance(value, collections.OrderedDict):
            return collections.OrderedDict, ([[key, item] for key, item in value.items()],)
        if self.old_tensors and isinstance(value, torch.Tensor):
            return torch._utils._rebuild_tensor, (value.storage(), value.storage_offset(), tuple(value.size()), value.stride())
        return NotImplemented

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[str] = save_str


class Python2OldTensors(Python2):
    old_tensors = True


def module_with(pickler):
    """What `torch.save` wants for a pickle module."""
    module = types.ModuleType(pickler.__name__)
    module.Pickler = pickler

    def dump(value, file, protocol):
        pickler(file, protocol).dump(value)

    module.dump = dump
    return module


def flat(state):
    """The same tensors as views of one buffer for each type."""
    out = collections.OrderedDict()
    for dtype in (torch.float32, torch.int64):
        own = {name: tensor for name, tensor in state.items() if tensor.dtype == dtype}
        buffer = torch.cat([tensor.reshape(-1) for tensor in own.values()])
        at = 0
        for name, tensor in own.items():
            out[name] = buffer[at : at + tensor.numel()].view(tensor.shape)
            at += tensor.numel()
    return collections.OrderedDict((name, out[name]) for name in state)


def trained(net):
    """An optimizer that has made a step with a generator. The gradients are given, because computed ones differ between
    processors."""
    optimizer = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.full_like(parameter, 0.25)
    optimizer.step()
    return optimizer


def averaged(net):
    model = AveragedModel(net)
    model.update_parameters(net)
    return model.state_dict()


def kinds(net_g, net_d, folder, only=None):
    from safetensors.torch import save_file

    state = net_g.state_dict()
    state_d = net_d.state_dict()
    optimizer = trained(copy.deepcopy(net_g)).state_dict()
    cast = lambda dtype: collections.OrderedDict((k, v.to(dtype) if v.is_floating_point() else v) for k, v in state.items())
    other = collections.OrderedDict((k, v + 1 if v.is_floating_point() else v) for k, v in state.items())
    noise = torch.randn(8, next(net_g.parameters()).shape[0], 1, 1, generator=torch.Generator().manual_seed(0))
    attributed = torch.arange(3.0)
    attributed.note = "mine"
    parameter = nn.Parameter(torch.arange(2.0))
    parameter.note = "mine"
    parallel = nn.DataParallel(net_g).state_dict()
    itself = {"netG": state}
    itself.update(all=itself, list=[itself])
    quantized = [torch.quantize_per_tensor(torch.arange(3.0), 0.5, 0, dtype) for dtype in (torch.qint8, torch.quint8, torch.qint32)]

    def old(value, pickler=pickle, **options):
        return lambda path: torch.save(value, path, pickle_module=pickler, _use_new_zipfile_serialization=False, **options)

    def new(value, **options):
        return lambda path: torch.save(value, path, **options)

    with_prefix = lambda prefix, own: {f"{prefix}.{name}": tensor for name, tensor in own.items()}
    writers = {
        "loss": new({"epoch": 3, "model_state_dict": state, "optimizer_state_dict": optimizer, "loss": torch.tensor(0.5)}),
        "averaged": new(averaged(net_g)),
        "averaged-beside": new({"swa": averaged(net_g), "epoch": 3}),
        "fixed-noise": new({"netG": state, "fixed_noise": noise}),
        "noise-beside-layers": new(collections.OrderedDict(state, fixed_noise=noise)),
        "step.safetensors": lambda path: save_file({**state, "step": torch.tensor(7)}, path),
        "extra.safetensors": lambda path: save_file(
            {**with_prefix("netG", state), "netG.n_averaged": torch.tensor(7), "rng": torch.zeros(8, dtype=torch.uint8), "done": torch.tensor(True)}, path
        ),
        "rng-state": new({"netG": state, "rng": torch.get_rng_state()}),
        "ema-pytorch": new({"ema_model": state, "initted": torch.tensor(True), "step": torch.tensor(5, dtype=torch.int32)}),
        "half-beside": new({"netG": state, "z": noise.half(), "mask": noise > 0, "index": torch.arange(3, dtype=torch.int16)}),
        "torch-objects": new(
            {
                "netG": state,
                "device": torch.device("cuda", 0),
                "size": torch.Size([3, 32, 32]),
                "dtype": torch.bfloat16,
                "empty": torch.empty(0),
                "complex": torch.ones(2, dtype=torch.complex64),
                "sparse": torch.eye(3).to_sparse(),
            }
        ),
        "containers": new(
            {
                "names": {"a", "b"},
                "bytes": b"\x80\x02",
                "array": bytearray(b"abc"),
                "z": 1 + 2j,
                "seen": collections.Counter("abca"),
                "seed": 2**64 - 1,
                "big": -(2**100),
                "nested": [({"a": [1, (2.5, None)]},)],
                "netG": state,
            }
        ),
        "twice": new({"state_dict": state, "best_state_dict": state}),
        "twice-cloned": new({"state_dict": state, "best_state_dict": copy.deepcopy(state)}),
        "flat": new({"netG": flat(state)}),
        "flat-old": old({"netG": flat(state)}),
        "python2": old({"netG": state, "epoch": 3}, module_with(Python2)),
        "pytorch03": old({"netG": state, "loss": torch.tensor([0.5])}, module_with(Python2OldTensors)),
        "pytorch03-plain": old(state, module_with(Python2OldTensors)),
        "two": new({"netG": state, "netG_ema": other, "netD": state_d}),
        "two-lists": new([state, other]),
        "float16": new({"netG": cast(torch.float16)}),
        "bfloat16": new(cast(torch.bfloat16)),
        "float64": new(cast(torch.float64)),
        "float16-old": old(cast(torch.float16)),
        "float16.safetensors": lambda path: save_file(cast(torch.float16), path),
        "bfloat16.safetensors": lambda path: save_file(cast(torch.bfloat16), path),
        "float64.safetensors": lambda path: save_file(cast(torch.float64), path),
        "counts-as-floats": new(collections.OrderedDict((k, v.float()) for k, v in state.items())),
        "counts-as-int32": new(collections.OrderedDict((k, v if v.is_floating_point() else v.int()) for k, v in state.items())),
        "list": new([state, state_d, optimizer]),
        "by-epoch": new({9: {"netG": other}, 10: {"netG": state, "optimizer": optimizer}}),
        "history": new({"netG": state, "history": [{"epoch": i, "losses": {"G": i / 7, "D": 0.5}} for i in range(20_000)]}),
        "loss-tensors": new({"netG": state, "G_losses": [torch.tensor(i / 7) for i in range(12_000)]}),
        "loss-tensors-old": old({"netG": state, "G_losses": [torch.tensor(i / 7) for i in range(12_000)]}),
        "deep-config": new({"netG": state, "config": functools.reduce(lambda inner, _: {"inner": [inner]}, range(100), 1)}),
        "holds-itself": new(itself),
        "quantized": new({"netG": state, "ints": quantized}),
        "quantized-old": old({"netG": state, "ints": quantized}),
        "tuple": new((3, state)),
        "parallel": new({"netG": parallel, "netD": state_d, "optimizerG": optimizer, "scheduler": {"last_epoch": 3, "_last_lr": [1e-4]}}),
        "parameters": new(net_g.state_dict(keep_vars=True)),
        "attributes": new({"netG": state, "tensor": attributed, "parameter": parameter}),
        "protocol4": new({"netG": state, "done": True}, pickle_protocol=4),
        "protocol5": new({"netG": state, "done": True}, pickle_protocol=5),
        "protocol4-old": old({"netG": state, "done": True}, pickle_protocol=4),
        "losses": new({"netG": state, "G_losses": [i / 7 for i in range(200_000)], "D_losses": [float(i) for i in range(100_000)]}),
        "lightning": new(
            {
                "epoch": 3,
                "global_step": 30,
                "pytorch-lightning_version": "2.4.0",
                "state_dict": {**with_prefix("generator", state), **with_prefix("discriminator", state_d), "validation_z": noise},
                "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
                "hyper_parameters": {"lr": 2e-4},
            }
        ),
        "numpy": new({"netG": state, "loss": np.float64(0.5), "fid": np.arange(3), "step": np.int64(3)}),
        "namespace": new({"args": argparse.Namespace(lr=2e-4, name="x"), "netG": state}),
        "datetime": new({"when": datetime.datetime(2026, 11, 28, 12), "netG": state}),
        "pathlib": new({"out": pathlib.PurePosixPath("/runs/1"), "netG": state}),
        "own-class": new({"config": Config(), "netG": state}),
        "dict-subclass": new(Options(config=Options(lr=2e-4), netG=state)),
        "path-not-utf8": new({"netG": state, "args": argparse.Namespace(data=b"caf\xe9".decode("utf-8", "surrogateescape"))}),
    }
    chosen = {"two": "netG", "two-lists": "[0]", "by-epoch": "[10]"}
    for name, write in writers.items():
        if only and name not in only:
            continue
        path = pathlib.Path(folder) / (name if "." in name else f"{name}.pth")
        write(str(path))
        yield path, chosen.get(name)

