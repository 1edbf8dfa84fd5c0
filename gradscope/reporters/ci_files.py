"""The text of the CI jobs that `gradscope init --ci` writes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum

DISTRIBUTION = "gradscope-keras"
_RESULTS = "gradscope-results"
_JUNIT = "gradscope-junit.xml"


class Ci(StrEnum):
    """A CI that a job can be written for."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class GateJob:
    """A job that checks `config` in `folder` of the repository, "" for its root.

    `install` is what pip installs for the project's own code, () where nothing says that.
    """

    config: str
    folder: str = ""
    install: tuple[str, ...] = ()


def ci_text(ci: Ci, job: GateJob) -> str:
    """The file that runs the job in `ci`."""
    lines = _github(job) if ci is Ci.GITHUB else _gitlab(job)
    return "\n".join(lines) + "\n"


def _head(job: GateJob) -> list[str]:
    return [
        "# Fails a change that makes gradients worse than the committed baseline says.",
        f"# A change that is meant to: gradscope baseline {shlex.quote(job.config)} --update",
    ]


def _install(job: GateJob) -> list[str]:
    """The commands, the project's requirements first: they decide the version of TensorFlow."""
    quiet = "python -m pip install --quiet --disable-pip-version-check"
    own = [f"{quiet} {shlex.join(job.install)}"] if job.install else []
    return [*own, f'{quiet} "$GRADSCOPE"']


def _check(job: GateJob) -> str:
    config = shlex.quote(job.config)
    return f"gradscope check {config} --output {_RESULTS} --format junit={_JUNIT}"


def _github(job: GateJob) -> list[str]:
    inside = f"{job.folder}/" if job.folder else ""
    folder = ["    defaults:", "      run:", f"        working-directory: {_quoted(job.folder)}"]
    return [
        *_head(job),
        "name: gradients",
        "",
        "on:",
        "  pull_request:",
        "  push:",
        "    branches: [main, master]",
        "",
        "permissions:",
        "  contents: read",
        "",
        "jobs:",
        "  gradients:",
        "    runs-on: ubuntu-latest",
        "    timeout-minutes: 30",
        "    env:",
        f"      GRADSCOPE: {DISTRIBUTION}  # what pip installs; a path or an address will do",
        *(folder if job.folder else []),
        "    steps:",
        "      - uses: actions/checkout@v4",
        "      - uses: actions/setup-python@v5",
        "        with:",
        '          python-version: "3.12"',
        *(f"      - run: {_quoted(command)}" for command in _install(job)),
        f"      - run: {_quoted(_check(job))}",
        "      - uses: actions/upload-artifact@v4",
        "        if: ${{ !cancelled() }}",
        "        with:",
        "          name: gradscope",
        "          path: |",
        f"            {inside}{_RESULTS}",
        f"            {inside}{_JUNIT}",
        "          if-no-files-found: ignore",
    ]


def _gitlab(job: GateJob) -> list[str]:
    inside = f"{job.folder}/" if job.folder else ""
    change = [f"    - {_quoted(f'cd {shlex.quote(job.folder)}')}"] if job.folder else []
    return [
        *_head(job),
        "gradients:",
        "  image: python:3.12",
        "  variables:",
        f"    GRADSCOPE: {DISTRIBUTION}  # what pip installs; a path or an address will do",
        "    PIP_CACHE_DIR: $CI_PROJECT_DIR/.cache/pip",
        "  cache:",
        "    key: gradscope-pip",
        "    paths: [.cache/pip]",
        "  script:",
        *change,
        *(f"    - {_quoted(command)}" for command in _install(job)),
        f"    - {_quoted(_check(job))}",
        "  artifacts:",
        "    when: always",
        "    paths:",
        f"      - {_quoted(inside + _RESULTS)}",
        "    reports:",
        f"      junit: {_quoted(inside + _JUNIT)}",
    ]


def _quoted(text: str) -> str:
    """A YAML scalar that is read as `text`."""
    plain = all(character.isalnum() or character in "-_./=, " for character in text)
    return text if plain and text[:1].isalpha() else "'" + text.replace("'", "''") + "'"
