from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le

from gradscope.config import ExperimentConfig, RegisteredFunctions, load_config
from gradscope.errors import ConfigError


def fashion_mini() -> None: ...


def gaussian(
    *,
    samples: Annotated[int, Ge(1), Le(10_000)] = 2000,
    features: Annotated[int, Ge(1)] = 100,
    noise: float = 0.0,
    seed: int | None = None,
) -> None: ...


def csv(
    *, path: Path, label: str | None = None, task: Literal["auto", "regression"] = "auto"
) -> None: ...


def vanishing_gradient(record: object, *, threshold: Annotated[float, Ge(0.0)] = 1e-3) -> None: ...


def dead_units(record: object, *, share: Annotated[float, Ge(0.0), Le(1.0)] = 0.5) -> None: ...


@pytest.fixture(scope="session")
def registered() -> RegisteredFunctions:
    return RegisteredFunctions(
        {
            "fashion_mini": fashion_mini,
            "gaussian": gaussian,
            "csv": csv,
            "keras:mnist": fashion_mini,
        },
        {
            "vanishing_gradient": ("GS101", vanishing_gradient),
            "dead_units": ("GS203", dead_units),
        },
    )


@pytest.fixture
def load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: RegisteredFunctions
) -> Callable[..., ExperimentConfig]:
    """Load a config's text as the file `c.yaml` in the working folder."""
    monkeypatch.chdir(tmp_path)

    def load_text(text: str | bytes, *overrides: str) -> ExperimentConfig:
        data = text if isinstance(text, bytes) else text.encode()
        Path("c.yaml").write_bytes(data)
        return load_config("c.yaml", overrides, registered)

    return load_text


@pytest.fixture
def problems(load: Callable[..., ExperimentConfig]) -> Callable[..., Sequence[str]]:
    """Load a bad config and give its messages, one text each."""

    def messages(text: str | bytes, *overrides: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return messages
