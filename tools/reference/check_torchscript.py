"""Proves that PyTorch takes a TorchScript file of ours for what it says it is.

    python tools/reference/check_torchscript.py FILE.pt [--pictures FILE.safetensors]

The file is compared with the tutorial's nn.Sequential, built from the sizes in the file's `dcgan.json`, on the same
weights. --pictures names a file with the tensors `noise` (N × latent × 1 × 1) and `pictures` (N × channels × H × W, in
[-1, 1]) that our program drew from FILE.pt. One line per check; exit status 1 if any fails.
"""

import argparse
import copy
import io
import json
import sys
import warnings

import torch
from torch import nn

from networks import discriminator, generator

# The same kernels on the same values; only their order of summation may differ.
SAME = 1e-5
# Other kernels than PyTorch's. A step of an 8-bit picture is 2/255 = 7.8e-3.
SAME_PICTURE = 1e-4

failures = 0


def check(what, ok, note=""):
    global failures
    failures += not ok
    print(f"{'ok  ' if ok else 'FAIL'}  {what}{f': {note}' if note else ''}")


def close(what, a, b, tolerance=SAME):
    worst = (a.double() - b.double()).abs().max().item() if a.shape == b.shape else float("inf")
    # The negation also catches not-a-number.
    check(what, not worst > tolerance and worst == worst, f"largest difference {worst:.2g}, allowed {tolerance:.2g}")


def state(net):
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}


def same_state(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def randomised(net):
    """Values everywhere, so that no two tensors can be exchanged unseen."""
    tensors = state(net)
    for name, tensor in tensors.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn_like(tensor) * 0.2 + (1.0 if name.endswith("running_var") else 0.0))
        if name.endswith("running_var"):
            tensor.abs_().add_(0.1)
    return tensors


def step(net, x):
    """One pass in training mode; output and gradients."""
    net.train()
    net.zero_grad()
    y = net(x.clone())
    (y * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum().backward()
    return y.detach(), [p.grad.clone() for p in net.parameters()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--pictures")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)

    extra = {"dcgan.json": ""}
    net = torch.jit.load(args.file, _extra_files=extra)
    check(f"PyTorch {torch.__version__} loads it", True)
    facts = json.loads(extra["dcgan.json"])
    size, channels, latent, base = (int(facts[k]) for k in ("image_size", "channels", "latent_dim", "base_channels"))
    if facts["network"] == "generator":
        twin = generator(size, channels, latent, base)
        item = (latent, 1, 1)
    else:
        twin = discriminator(size, channels, base)
        item = (channels, size, size)
    check("dcgan.json names the sizes", True, json.dumps(facts))

    described = {name: (tuple(t.shape), t.dtype) for name, t in net.state_dict().items()}
    expected = {name: (tuple(t.shape), t.dtype) for name, t in twin.state_dict().items()}
    check("state_dict has the tutorial's names, shapes and types", list(described.items()) == list(expected.items()))
    check(
        "parameters and buffers are told apart",
        [(n, p.requires_grad) for n, p in net.named_parameters()] == [(n, True) for n, _ in twin.named_parameters()]
        and [n for n, _ in net.named_buffers()] == [n for n, _ in twin.named_buffers()],
    )
    layers = [type(layer).__name__ for layer in twin]
    check("layers have torch.nn's names", [child.original_name for child in net.children()] == layers)
    convs = [(a, b) for a, b in zip(net.children(), twin) if isinstance(b, (nn.Conv2d, nn.ConvTranspose2d))]
    check(
        "convolutions know their sizes",
        all(
            getattr(a, k) == getattr(b, k)
            for a, b in convs
            for k in ("in_channels", "out_channels", "kernel_size", "stride", "padding", "bias")
        ),
    )
    check("it is in training mode, as a scripted network is", net.training and all(m.training for m in net.modules()))

    if args.pictures:
        from safetensors.torch import load_file

        drawn = load_file(args.pictures)
        net.eval()
        with torch.no_grad():
            close("it draws our pictures", net(drawn["noise"]), drawn["pictures"], SAME_PICTURE)

    tensors = randomised(net)
    for one in (net, twin):
        one.load_state_dict(tensors, strict=True)
        one.eval()
    check("eval() reaches every module", not any(m.training for m in net.modules()))
    for count in (1, 7, 128):
        x = torch.randn(count, *item)
        with torch.no_grad():
            close(f"eval, batch {count}", net(x.clone()), twin(x.clone()))
    check("eval changes nothing", same_state(state(net), tensors))

    x = torch.randn(8, *item)
    (y, gradients), (twin_y, twin_gradients) = step(net, x), step(twin, x)
    close("train, output", y, twin_y)
    scale = max(g.abs().max().item() for g in twin_gradients)
    close("train, gradients", torch.cat([g.flatten() for g in gradients]) / scale, torch.cat([g.flatten() for g in twin_gradients]) / scale)
    changed = [n for n, t in net.state_dict().items() if not torch.equal(t, tensors[n])]
    check("train moves the running statistics and nothing else", changed == [n for n, _ in net.named_buffers()])
    worst = max((a.double() - b.double()).abs().max().item() for a, b in zip(net.buffers(), twin.buffers()))
    check("train, running statistics", worst <= SAME, f"largest difference {worst:.2g}")

    net.eval(), twin.eval()
    with torch.no_grad():
        expected = twin(x.clone())
        close("frozen", torch.jit.freeze(net)(x.clone()), expected)
        close("scripted again", torch.jit.script(net)(x.clone()), expected)
        close("traced", torch.jit.trace(net, x.clone())(x.clone()), expected)
        file = io.BytesIO()
        torch.jit.save(net, file)
        file.seek(0)
        again = torch.jit.load(file)
        check("saved again, state_dict", same_state(state(again), state(net)))
        close("saved again, output", again.eval()(x.clone()), expected)
        close("channels_last", net.to(memory_format=torch.channels_last)(x.clone()), expected)
        double = copy.deepcopy(net).to(torch.float64)
        check("to(float64)", double(x.double()).dtype == torch.float64)
        meta = torch.jit.load(args.file, map_location="meta")
        check("to another device", meta(x.to("meta")).device.type == "meta")
        if torch.cuda.is_available():
            close("to(cuda)", copy.deepcopy(net).to("cuda")(x.to("cuda")).cpu(), expected, SAME_PICTURE)
    try:
        net(x[0])
        refused = False
    except Exception:
        refused = True
    check("an input without batch dimension is refused", refused)

    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
