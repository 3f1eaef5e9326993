from tunesmith.budget.machine import matmul_rate, this_machine
from tunesmith.models.spec import ModelSpec


def test_a_short_probe_measures_a_positive_rate(tiny: ModelSpec) -> None:
    assert matmul_rate(tiny, seconds=0.01) > 1e6


def test_the_probe_leaves_the_number_of_threads_as_it_was(tiny: ModelSpec) -> None:
    import torch

    before = torch.get_num_threads()
    matmul_rate(tiny, seconds=0.001, threads=1)
    assert torch.get_num_threads() == before


def test_this_machine_has_memory_and_a_name() -> None:
    machine = this_machine()
    assert machine.memory_bytes > 10**8
    assert machine.device == "cpu"
    assert machine.name
