"""Check the headers of the `model.weights.h5` in a `.keras` file; no array is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any, Final

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.runner.sources.archive import WEIGHTS, damaged, refused

MAXIMUM_OBJECTS: Final = 100_000
MAXIMUM_DEPTH: Final = 64
_FOREIGN: Final = "Keras does not write such files: do not use one of unknown origin"


@dataclass(frozen=True)
class StoredWeights:
    """Values and bytes of the model in the weights file, without those of the optimizer."""

    values: int
    bytes: int


def walk(name: str, file: IO[bytes]) -> StoredWeights:
    """Visit every group and array; refuse links out of the file and arrays that are not in it."""
    import h5py  # type: ignore[import-untyped]

    size = file.seek(0, 2)
    file.seek(0)
    try:
        with h5py.File(file, "r") as root:
            return _Walk(name, size).run(root)
    except BadRequest:
        raise
    except Exception as error:  # h5py answers damage with exceptions of every kind
        raise damaged(name, WEIGHTS, error) from None


class _Walk:
    """One walk over one file."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size
        self.visited: set[int] = set()
        self.declared = self.values = self.bytes = 0

    def run(self, root: Any) -> StoredWeights:
        """Walk from the root, groups before what is in them."""
        pending: list[tuple[str, Any]] = [("", root)]
        while pending:
            path, group = pending.pop()
            for key in group:
                group_or_none = self.member(group, key, f"{path}/{key}")
                if group_or_none is not None:
                    pending.append((f"{path}/{key}", group_or_none))
        return StoredWeights(self.values, self.bytes)

    def member(self, group: Any, key: str, path: str) -> Any:
        """Check one link and its target; return the target if it is a new group."""
        import h5py

        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise self.refusal(path, f"is a {type(link).__name__}, which leads elsewhere")
        target = group[key]
        address = h5py.h5o.get_info(target.id).addr
        if address in self.visited:
            raise self.refusal(path, "stands in the file under two names")
        self.visited.add(address)
        if len(self.visited) > MAXIMUM_OBJECTS or path.count("/") > MAXIMUM_DEPTH:
            raise self.refusal(path, "is one object too many or too deep")
        if isinstance(target, h5py.Group):
            return target
        if not isinstance(target, h5py.Dataset):
            raise self.refusal(path, f"is a {type(target).__name__}, not an array")
        self.array(target, path)
        return None

    def array(self, array: Any, path: str) -> None:
        """Check that an array is numbers, and is in the file as a whole."""
        if array.external:
            raise self.refusal(path, "is stored in another file")
        if array.is_virtual:
            raise self.refusal(path, "is a virtual array, made of others")
        if array.id.get_create_plist().get_nfilters():
            raise self.refusal(path, "is compressed, which weights never are")
        if array.shape is None or not (array.dtype.kind in "biuf" or array.dtype == "V2"):
            raise self.refusal(path, f"has the type {sanitise(str(array.dtype))}, not numbers")
        # Python's integers: numpy's would wrap around at the shapes an attacker chooses.
        values = 1
        for extent in array.shape:
            values *= int(extent)
        needed = values * array.dtype.itemsize
        self.declared += needed
        if needed > array.id.get_storage_size() or self.declared > self.size:
            shape = " x ".join(map(str, array.shape))
            what = f"declares {shape} values, {needed:,} bytes, in a file of {self.size:,}"
            raise self.refusal(path, what)
        if not path.startswith("/optimizer/"):
            self.values += values
            self.bytes += needed

    def refusal(self, path: str, what: str) -> BadRequest:
        """Say which object is refused, and why."""
        return refused(self.name, f"{WEIGHTS}, {sanitise(path)} {what}", _FOREIGN)
