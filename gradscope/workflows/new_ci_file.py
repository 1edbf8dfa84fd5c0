"""The CI files of a new gate: which, where, and that none is lost."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.record.files import atomic
from gradscope.reporters.ci_files import Ci, GateJob, ci_text

_WORKFLOW = Path(".github") / "workflows" / "gradients.yml"
_PIPELINE, _JOB = Path(".gitlab-ci.yml"), Path("gradients.gitlab-ci.yml")


@dataclass(frozen=True)
class CiFile:
    """A file with its text; `include` says that the pipeline there is has to include it."""

    path: Path
    text: str
    include: bool = False

    @property
    def written(self) -> bool:
        """Whether the file is there and holds this text."""
        return self.path.is_file() and self.path.read_text(encoding="utf-8") == self.text

    def write(self) -> None:
        """Write the file, and its folders."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(self.path, self.text.encode())


def plan_ci_file(ci: Ci, config: Path, *, replace_file: bool = False) -> CiFile:
    """The file of `ci` that checks `config`, at the root of the git repository.

    Without a repository the root is the working directory. Where GitLab has a pipeline already, the
    job goes to a file beside it. Raises `BadRequest` where another file is in the place and
    `replace_file` is not given. Nothing is written.
    """
    here = Path.cwd()
    root = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    folder = here.relative_to(root).as_posix()
    job = GateJob(config.as_posix(), "" if folder == "." else folder, _requirements(here, root))
    text = ci_text(ci, job)
    place = root / (_WORKFLOW if ci is Ci.GITHUB else _PIPELINE)
    planned = CiFile(_shown(place, here), text)
    if ci is Ci.GITLAB and place.exists() and not planned.written:
        planned = CiFile(_shown(root / _JOB, here), text, include=True)
    if planned.path.exists() and not planned.written and not replace_file:
        raise BadRequest(f"{planned.path} exists", "replace it with --replace, or delete it")
    return planned


def _shown(path: Path, here: Path) -> Path:
    return Path(os.path.relpath(path, here))


def _requirements(here: Path, root: Path) -> tuple[str, ...]:
    """What pip has to install for the project itself."""
    for folder in dict.fromkeys((here, root)):
        shown = _shown(folder, here)
        if (folder / "requirements.txt").is_file():
            return ("-r", (shown / "requirements.txt").as_posix())
        if any((folder / name).is_file() for name in ("pyproject.toml", "setup.py")):
            return (shown.as_posix(),)
    return ()
