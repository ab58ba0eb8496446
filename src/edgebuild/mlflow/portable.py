"""Code that travels: a module and all that it imports of edgebuild, as a package of a name of its own.

A model that is served years later, elsewhere, by somebody who has never heard of
edgebuild, runs the code that it was saved with. The copy is not called ``edgebuild``:
Python keeps one package per name, so a process with an edgebuild of its own, or with two
models of different age, would run one model on the other's code. The name ends in a
digest of the content: equal code is loaded once, other code beside it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import edgebuild
from edgebuild.build.closure import imports

__all__ = ["carry"]

#: The folder that holds the package ``edgebuild``: src/ of a clone, or site-packages.
_SOURCE = Path(edgebuild.__file__).parents[1]

#: ``edgebuild`` where it is code: after from or import at the start of a line, and in a string that names a module.
_NAME = re.compile(r'(?m)^(\s*(?:from|import) )edgebuild\b|(")edgebuild(?=\.)')

_INIT = '''\
"""{module} of edgebuild {version} (Apache-2.0) and what it imports: what this model needs to be loaded."""
'''


def carry(module: str, folder: Path) -> str:
    """Write ``module`` of edgebuild, with its imports, into ``folder``; returns its name as ``folder`` has it.

    The same code gives the same files and the same name.
    """
    files = sorted(imports(_SOURCE, _SOURCE / f"{module.replace('.', '/')}.py", "edgebuild"))
    contents = {path: (_SOURCE / path).read_bytes() for path in files}
    digest = hashlib.sha256(repr(sorted(contents.items())).encode()).hexdigest()[:12]
    name = f"edgebuild_{digest}"
    for path, content in contents.items():
        target = folder / name / Path(path).relative_to("edgebuild")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_renamed(content, name) if path.endswith(".py") else content)
    for package in (folder / name, *(item for item in (folder / name).rglob("*") if item.is_dir())):
        init = package / "__init__.py"
        if not init.exists():  # those of edgebuild that hold no code, only words
            init.write_text(_INIT.format(module=module, version=_version()), encoding="utf-8")
    return module.replace("edgebuild", name, 1)


def _renamed(content: bytes, name: str) -> bytes:
    return _NAME.sub(lambda found: f"{found[1] or found[2]}{name}", content.decode()).encode()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgebuild")
    except PackageNotFoundError:  # a clone on PYTHONPATH
        return "of unknown version"
