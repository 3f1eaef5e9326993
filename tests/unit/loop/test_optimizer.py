import torch
from torch import nn

from tunesmith.loop.optimizer import AdamSettings, Optimizer


def _steps(optimizer: Optimizer, weight: nn.Parameter, number: int, rate: float = 1e-2) -> None:
    for i in range(number):
        optimizer.clear()
        weight.grad = torch.full_like(weight, 0.1 * (i + 1))
        optimizer.gather()
        optimizer.step(learning_rate=rate, divide_by=2.0)


def test_float32_weights_move_as_torchs_adamw_moves_them() -> None:
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3)) for _ in range(2))
    _steps(Optimizer({"w": ours}, AdamSettings(weight_decay=0.1, max_grad_norm=0)), ours, 5)
    adam = torch.optim.AdamW([theirs], lr=1e-2, weight_decay=0.1)
    for i in range(5):
        theirs.grad = torch.full_like(theirs, 0.1 * (i + 1)) / 2
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_steps_too_small_for_bf16_add_up_in_the_master() -> None:
    weight = nn.Parameter(torch.ones(4, 4, dtype=torch.bfloat16))
    optimizer = Optimizer({"w": weight}, AdamSettings())
    _steps(
        optimizer, weight, 20, rate=1e-3
    )  # each step is 0.001; bf16 near 1 moves by 0.0078 or not at all
    assert optimizer.trained()["w"].mean().item() < 0.981
    torch.testing.assert_close(weight, optimizer.trained()["w"].to(torch.bfloat16))


def test_the_state_put_back_goes_on_bit_for_bit() -> None:
    start = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    straight = nn.Parameter(start.clone())
    _steps(Optimizer({"w": straight}, AdamSettings()), straight, 3)
    whole = nn.Parameter(start.clone())
    first = Optimizer({"w": whole}, AdamSettings())
    _steps(first, whole, 3)
    resumed = nn.Parameter(torch.zeros(3, 3))
    second = Optimizer({"w": resumed}, AdamSettings())
    second.set_trained(first.trained())
    second.set_state({key: value.clone() for key, value in first.state().items()})
    _steps(first, whole, 2)
    _steps(second, resumed, 2)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)


def test_the_gradients_norm_is_brought_down_to_its_limit() -> None:
    weight = nn.Parameter(torch.zeros(4))
    optimizer = Optimizer({"w": weight}, AdamSettings(max_grad_norm=1.0))
    weight.grad = torch.full((4,), 6.0)
    norm = optimizer.step(learning_rate=0.0, divide_by=2.0)
    assert norm == 6.0
    torch.testing.assert_close(torch.linalg.vector_norm(weight.grad), torch.tensor(1.0))


def test_norms_and_biases_do_not_decay() -> None:
    bias, matrix = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, 3))
    optimizer = Optimizer({"b": bias, "m": matrix}, AdamSettings(weight_decay=0.5))
    bias.grad, matrix.grad = torch.zeros(3), torch.zeros(3, 3)
    optimizer.step(learning_rate=0.1, divide_by=1.0)
    assert torch.equal(bias, torch.ones(3))
    torch.testing.assert_close(matrix, torch.full((3, 3), 0.95))
