"""AdamW on float32 weights, whatever the model multiplies with, and with a state in plain tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class AdamSettings:
    """AdamW's numbers: Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    """The gradient's norm is brought down to this; 0 means never."""


class Optimizer:
    """Trains ``weights`` by name; those narrower than float32 get a float32 master.

    In bf16 a step smaller than 1/256 of a weight is lost; the master keeps it, and the model's own
    weight is the master rounded.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], settings: AdamSettings) -> None:
        self.weights = dict(weights)
        self.masters = {name: _master(weight) for name, weight in self.weights.items()}
        self._settings = settings
        decayed = [m for m in self.masters.values() if m.ndim >= 2]
        others = [m for m in self.masters.values() if m.ndim < 2]
        self._adam = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
        )

    def gather(self) -> None:
        """Add the narrow weights' gradients to their masters'; call it after each backward pass."""
        for name, weight in self.weights.items():
            master = self.masters[name]
            if master is weight or weight.grad is None:
                continue
            wide = weight.grad.to(master.dtype)
            master.grad = wide if master.grad is None else master.grad.add_(wide)
            weight.grad = None

    def clear(self) -> None:
        """Forget all gradients."""
        for name, weight in self.weights.items():
            weight.grad = None
            self.masters[name].grad = None

    def step(self, *, learning_rate: float, divide_by: float) -> float:
        """One update with the gathered gradients / ``divide_by``; their norm before clipping."""
        gradients = [m.grad for m in self.masters.values() if m.grad is not None]
        for gradient in gradients:
            gradient.div_(divide_by)
        norm = float(torch.nn.utils.get_total_norm(gradients))
        limit = self._settings.max_grad_norm
        if limit and norm > limit:
            for gradient in gradients:
                gradient.mul_(limit / norm)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        self._adam.step()
        self._round()
        return norm

    def trained(self) -> dict[str, Tensor]:
        """The float32 weights by name, not copied."""
        return {name: master.detach() for name, master in self.masters.items()}

    def set_trained(self, values: Mapping[str, Tensor]) -> None:
        """Put back what `trained` gave."""
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(values[name])
        self._round()

    def state(self) -> dict[str, Tensor]:
        """AdamW's running means and step counts, as ``NAME/exp_avg`` and so on; not copied."""
        return {
            f"{name}/{key}": value
            for name, master in self.masters.items()
            for key, value in self._adam.state.get(master, {}).items()
        }

    def set_state(self, values: Mapping[str, Tensor]) -> None:
        """Put back what `state` gave."""
        for name, master in self.masters.items():
            keys = [key for key in values if key.rpartition("/")[0] == name]
            self._adam.state[master] = {key.rpartition("/")[2]: values[key].clone() for key in keys}

    def _round(self) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                if self.masters[name] is not weight:
                    weight.copy_(self.masters[name])


def _master(weight: nn.Parameter) -> nn.Parameter:
    if torch.promote_types(weight.dtype, torch.float32) == weight.dtype:
        return weight
    return nn.Parameter(weight.detach().to(torch.float32))
