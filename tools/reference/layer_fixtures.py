"""Writes crates/kernels/tests/fixtures/layers.safetensors: every layer forward and backward, as PyTorch computes it.

    python tools/reference/layer_fixtures.py

Inputs are f32 values; the layer runs in float64 and the results are rounded to f32 once, so the fixtures are the truth
and not another float32 implementation. Upstream gradients are random. Adam alone runs in float32, its states are what
is compared.

Tensors are named `<case>.<tensor>`, NCHW. Per case:
conv2d.*, conv_transpose2d.*   geometry (i64: stride, padding), input, weight, output, grad_output, grad_input, grad_weight
batch_norm.*         input, weight, bias, running_mean_before, running_var_before, output, grad_output, grad_input, grad_weight,
                     grad_bias, running_mean, running_var
batch_norm_eval.*    input, weight, bias, running_mean, running_var, output
leaky_relu, relu, tanh    input, output, grad_output, grad_input
bce.<case>.{real,fake}    see `bce`
adam                 param, grad[step], param_after[step], exp_avg[step], exp_avg_sq[step]

The script also prints how far float32 PyTorch is from these values; README.md derives the tolerances from that.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from fixture_file import write

OUT = Path(__file__).parents[2] / "crates/kernels/tests/fixtures/layers.safetensors"
SEED = 20

tensors = {}
distances = {}


def draw(*shape, scale=1.0, offset=0.0):
    """Random values that are exact in float32, in float64."""
    return (torch.randn(*shape) * scale + offset).double()


def keep(case, **values):
    for name, value in values.items():
        value = value.detach()
        tensors[f"{case}.{name}"] = (value.float() if value.dtype == torch.float64 else value).contiguous().clone()


def note(kind, name, truth, single):
    """Largest |float32 - float64| of a tensor, in units of the tensor's largest value."""
    error = (single.double() - truth).abs().max() / truth.abs().max().clamp(min=1e-30)
    key = f"{kind}.{name}"
    distances[key] = max(distances.get(key, 0.0), error.item())


def run(function, leaves, grad_output):
    """Output and gradients of `function(*leaves)`."""
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    output = function(*leaves)
    output.backward(grad_output)
    return [output.detach()] + [leaf.grad for leaf in leaves]


def conv(kind, function, kernel, stride, padding, n, ci, co, h, w):
    case = f"{kind}.k{kernel}s{stride}p{padding}_n{n}_{ci}to{co}_{h}x{w}"
    x = draw(n, ci, h, w)
    weight = draw(*((co, ci) if kind == "conv2d" else (ci, co)), kernel, kernel, scale=0.3)
    call = lambda x, weight: function(x, weight, stride=stride, padding=padding)
    grad_output = draw(*call(x, weight).shape)
    y, dx, dw = run(call, (x, weight), grad_output)
    keep(case, geometry=torch.tensor([stride, padding]), input=x, weight=weight, grad_output=grad_output)
    keep(case, output=y, grad_input=dx, grad_weight=dw)
    singles = run(call, (x.float(), weight.float()), grad_output.float())
    for name, truth, single in zip(("output", "grad_input", "grad_weight"), (y, dx, dw), singles):
        note(kind, name, truth, single)


def convolutions():
    for args in (
        # kernel, stride, padding, batch, channels in and out, height, width
        (4, 2, 1, 1, 1, 3, 4, 6),
        (4, 2, 1, 2, 3, 5, 8, 12),
        (4, 2, 1, 3, 5, 17, 10, 6),
        (4, 2, 1, 2, 17, 3, 6, 10),
        (4, 2, 1, 1, 17, 1, 4, 8),
        (4, 2, 1, 1, 3, 5, 16, 24),
        (4, 2, 1, 3, 1, 1, 2, 2),
        (4, 1, 0, 3, 17, 1, 4, 4),
        (4, 1, 0, 2, 5, 3, 4, 4),
        (4, 1, 0, 1, 3, 5, 5, 7),
        (3, 2, 1, 2, 3, 5, 7, 10),
        (2, 2, 0, 2, 3, 4, 6, 10),
        (3, 1, 1, 1, 5, 3, 4, 6),
    ):
        conv("conv2d", F.conv2d, *args)
    for args in (
        (4, 1, 0, 3, 5, 17, 1, 1),
        (4, 1, 0, 2, 17, 3, 1, 1),
        (4, 1, 0, 1, 3, 5, 2, 3),
        (4, 2, 1, 2, 3, 5, 4, 6),
        (4, 2, 1, 3, 17, 5, 3, 5),
        (4, 2, 1, 1, 5, 3, 5, 3),
        (4, 2, 1, 2, 5, 1, 8, 12),
        (4, 2, 1, 3, 1, 1, 1, 1),
        (3, 2, 1, 2, 3, 5, 4, 6),
        (2, 2, 0, 2, 4, 3, 3, 5),
        (3, 1, 1, 1, 5, 3, 4, 6),
    ):
        conv("conv_transpose2d", F.conv_transpose2d, *args)


def batch_norm():
    for n, c, h, w, offset in ((3, 5, 4, 6, 0.0), (2, 1, 3, 3, 0.5), (6, 17, 1, 2, -0.25), (2, 3, 8, 12, 4.0)):
        case = f"n{n}_c{c}_{h}x{w}"
        x, weight, bias = draw(n, c, h, w, offset=offset), draw(c, scale=0.3, offset=1.0), draw(c, scale=0.3)
        mean, var = draw(c, scale=0.2), draw(c).abs() + 0.5
        grad_output = draw(n, c, h, w)

        def call(mean, var):
            return lambda x, weight, bias: F.batch_norm(x, mean, var, weight, bias, training=True, momentum=0.1, eps=1e-5)

        new_mean, new_var = mean.clone(), var.clone()
        names = ("output", "grad_input", "grad_weight", "grad_bias", "running_mean", "running_var")
        truths = run(call(new_mean, new_var), (x, weight, bias), grad_output) + [new_mean, new_var]
        keep(f"batch_norm.{case}", input=x, weight=weight, bias=bias, running_mean_before=mean, running_var_before=var)
        keep(f"batch_norm.{case}", grad_output=grad_output, **dict(zip(names, truths)))
        single_mean, single_var = mean.float(), var.float()
        singles = run(call(single_mean, single_var), (x.float(), weight.float(), bias.float()), grad_output.float())
        for name, truth, single in zip(names, truths, singles + [single_mean, single_var]):
            note("batch_norm", name, truth, single)
        y = F.batch_norm(x, mean, var, weight, bias, training=False, eps=1e-5)
        keep(f"batch_norm_eval.{case}", input=x, weight=weight, bias=bias, running_mean=mean, running_var=var, output=y)
        single = F.batch_norm(x.float(), mean.float(), var.float(), weight.float(), bias.float(), training=False, eps=1e-5)
        note("batch_norm_eval", "output", y, single)


def activations():
    special = torch.tensor([0.0, -0.0, 1e-20, -1e-20, 30.0, -30.0, 100.0, -100.0, 9.0, -9.0, 1e-4, -1e-4, 0.1])
    for name, function in (("leaky_relu", lambda x: F.leaky_relu(x, 0.2)), ("relu", F.relu), ("tanh", torch.tanh)):
        x = torch.cat([special, torch.randn(90) * 2]).double()
        grad_output = draw(len(x))
        y, dx = run(function, (x,), grad_output)
        keep(name, input=x, output=y, grad_output=grad_output, grad_input=dx)
        for part, truth, single in zip(("output", "grad_input"), (y, dx), run(function, (x.float(),), grad_output.float())):
            note(name, part, truth, single)


def bce():
    """`real` has target 1, `fake` target 0. `logits`; `each`: loss per logit, clamped at 100; `loss`: its mean; `grad`:
    d mean / d logit.

    These come from the logits in float64, as BCEWithLogits has them. `tutorial_each` and `tutorial_grad` are what the
    tutorial's Sigmoid and BCELoss give in float32, for comparison: they agree until the sigmoid saturates.
    """
    extreme = torch.tensor([-120.0, -101.0, -99.0, -60.0, -40.0, -30.0, -20.0, -17.5, -15.0, -10.0, -5.0, -1.0, -1e-4, -1e-10])
    cases = {"moderate": torch.randn(7) * 2, "extreme": torch.cat([extreme, torch.zeros(1), -extreme.flip(0)])}
    for case, logits in cases.items():
        for side, target in (("real", 1.0), ("fake", 0.0)):
            targets = torch.full_like(logits, target)
            z = logits.double().requires_grad_()
            each = F.binary_cross_entropy_with_logits(z, targets.double(), reduction="none")
            each.mean().backward()
            clamped = each.detach().clamp(max=100.0)
            # sigmoid(z) - target without the cancellation that autograd's own formula has for target 1.
            sign = 1.0 - 2.0 * target
            grad = sign * torch.sigmoid(sign * z.detach()) / len(logits)
            torch.testing.assert_close(grad, z.grad, atol=1e-16, rtol=0.0)
            values = dict(logits=logits, each=clamped, loss=clamped.mean(), grad=grad)
            z = logits.clone().requires_grad_()
            tutorial = nn.BCELoss(reduction="none")(torch.sigmoid(z), targets)
            tutorial.mean().backward()
            keep(f"bce.{case}.{side}", **values, tutorial_each=tutorial, tutorial_grad=z.grad)
            if case == "moderate":
                note("bce", "each", clamped, tutorial.detach())
                note("bce", "grad", values["grad"], z.grad)


def adam():
    """Five steps on 37 values with the tutorial's settings; some gradients are zero, tiny or huge."""
    param = (torch.randn(37) * 0.1).requires_grad_()
    wide = param.detach().double().requires_grad_()
    grads = torch.randn(5, 37) * 10.0 ** torch.linspace(-12, 4, 37)
    grads[:, 3], grads[0, 4], grads[1:, 5], grads[2, 20] = 0.0, 0.0, 0.0, 0.0
    optimizers = [torch.optim.Adam([p], lr=2e-4, betas=(0.5, 0.999), eps=1e-8) for p in (param, wide)]
    start = param.detach().clone()
    history = {"param_after": [], "exp_avg": [], "exp_avg_sq": []}
    for grad in grads:
        param.grad, wide.grad = grad.clone(), grad.double()
        for optimizer in optimizers:
            optimizer.step()
        states = [optimizer.state[p] for optimizer, p in zip(optimizers, (param, wide))]
        history["param_after"].append(param.detach().clone())
        for name in ("exp_avg", "exp_avg_sq"):
            history[name].append(states[0][name].clone())
            ratio = (states[0][name].double() - states[1][name]).abs() / states[1][name].abs().clamp(min=1e-37)
            distances[f"adam.{name} (relative)"] = max(distances.get(f"adam.{name} (relative)", 0.0), ratio.max().item())
        error = (param.detach().double() - wide.detach()).abs().max().item()
        distances["adam.param_after (absolute)"] = max(distances.get("adam.param_after (absolute)", 0.0), error)
    keep("adam", param=start, grad=grads, **{name: torch.stack(values) for name, values in history.items()})


if __name__ == "__main__":
    torch.manual_seed(SEED)
    for part in (convolutions, batch_norm, activations, bce, adam):
        part()
    write(OUT, tensors, seed=SEED)
    for name, distance in distances.items():
        print(f"{name:32} {distance:.1e}")
