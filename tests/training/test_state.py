"""Training states: complete, exact, and safe against a disk that loses the newest one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from debias.errors import CheckpointError
from debias.training.optimization import TrainingSettings, averaged, build_optimizer
from debias.training.state import KEPT, Progress, load_state, save_state, saved_states

Parts = tuple[dict[str, nn.Module], torch.optim.Optimizer]


def _parts(seed: int) -> Parts:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    modules = {"model": model, "average": averaged(model, 0.9)}
    return modules, build_optimizer(model, TrainingSettings())


def _step(parts: Parts, seed: int) -> None:
    modules, optimizer = parts
    images = torch.randn(8, 4, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    modules["model"](images).square().mean().backward()
    optimizer.step()
    modules["average"].update_parameters(modules["model"])  # type: ignore[operator]


def _save(parts: Parts, directory: Path, epoch: int) -> None:
    save_state(
        directory,
        progress=Progress(epoch=epoch, best_loss=0.25, history=[{"epoch": epoch}]),
        modules=parts[0],
        optimizer=parts[1],
        probabilities=torch.full((5,), 0.2, dtype=torch.float64),
    )


def test_training_goes_on_exactly(tmp_path: Path) -> None:
    through, stopped, resumed = _parts(0), _parts(0), _parts(1)
    for seed in range(3):
        _step(through, seed)
        _step(stopped, seed)
    _save(stopped, tmp_path, 3)
    loaded = load_state(tmp_path, modules=resumed[0], optimizer=resumed[1])
    assert loaded is not None
    progress, probabilities = loaded
    assert (progress.epoch, progress.best_loss, progress.history) == (3, 0.25, [{"epoch": 3}])
    assert torch.equal(probabilities, torch.full((5,), 0.2, dtype=torch.float64))
    for seed in range(3, 6):
        _step(through, seed)
        _step(resumed, seed)
    for name in through[0]:
        expected, got = through[0][name].state_dict(), resumed[0][name].state_dict()
        assert all(torch.equal(expected[key], got[key]) for key in expected)


def test_only_the_newest_states_are_kept(tmp_path: Path) -> None:
    parts = _parts(0)
    for epoch in range(1, 6):
        _step(parts, epoch)
        _save(parts, tmp_path, epoch)
    assert [path.name for path in saved_states(tmp_path)] == ["epoch-00004", "epoch-00005"]
    assert KEPT == 2


def test_half_written_states_are_not_seen_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    parts = _parts(0)
    for epoch in (1, 2):
        _step(parts, epoch)
        _save(parts, tmp_path, epoch)
    (tmp_path / "epoch-00003.partial").mkdir()
    damaged = tmp_path / "epoch-00002" / "state.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:200])
    loaded = load_state(tmp_path, modules=parts[0], optimizer=parts[1])
    assert loaded is not None
    assert loaded[0].epoch == 1
    (tmp_path / "epoch-00001" / "state.safetensors").unlink()
    with pytest.raises(CheckpointError, match="epoch-00001"):
        load_state(tmp_path, modules=parts[0], optimizer=parts[1])


@pytest.mark.parametrize("content", ["", "{}", '{"param_groups": [], "unknown": 1}'])
def test_damaged_facts_are_passed_over(content: str, tmp_path: Path) -> None:
    parts = _parts(0)
    for epoch in (1, 2):
        _step(parts, epoch)
        _save(parts, tmp_path, epoch)
    (tmp_path / "epoch-00002" / "state.json").write_text(content)
    loaded = load_state(tmp_path, modules=parts[0], optimizer=parts[1])
    assert loaded is not None
    assert loaded[0].epoch == 1


def test_nothing_saved_and_a_state_of_another_model(tmp_path: Path) -> None:
    parts = _parts(0)
    assert load_state(tmp_path / "none", modules=parts[0], optimizer=parts[1]) is None
    _step(parts, 0)
    _save(parts, tmp_path, 1)
    other = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match="cannot be used"):
        load_state(
            tmp_path,
            modules={"model": other},
            optimizer=build_optimizer(other, TrainingSettings()),
        )


def test_no_file_of_a_state_is_a_pickle(tmp_path: Path) -> None:
    parts = _parts(0)
    _step(parts, 0)
    _save(parts, tmp_path, 1)
    files = {path.name for path in (tmp_path / "epoch-00001").iterdir()}
    assert files == {"state.safetensors", "state.json"}
