"""Repositories of the Hugging Face hub: downloaded, or found in its local cache.

A cache that ``from_pretrained`` filled holds only what that read, and serves a run without a
network if that is all that is loaded.
"""

from __future__ import annotations

import glob
from collections.abc import Collection
from fnmatch import fnmatch
from pathlib import Path

from edit_benchmark.checkpoints import selection
from edit_benchmark.checkpoints.selection import MODEL, Choice
from edit_benchmark.errors import UserError

# What a model in the root is loaded from beside its weights, with its processor.
_OF_A_MODEL = (
    MODEL, "*processor_config.json", "chat_template.*", "tokenizer.json", "tokenizer_config.json",
)  # fmt: skip


def fetch(repository: str, revision: str | None, choice: Choice, where: str) -> tuple[Path, str]:
    """The folder of a hub repository in the local cache, and the commit that it holds.

    Only what is loaded is downloaded. If the hub cannot be reached, the cache has to do.

    Raises
    ------
    UserError
        If it cannot be downloaded, or is in the cache only in part.
    """
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        path = _download(repository, revision, choice)
    except GatedRepoError:
        problem = "needs a licence that this account has not accepted (log in with: hf auth login)"
    except RevisionNotFoundError:
        problem = f"has no revision {revision}"
    except RepositoryNotFoundError:
        problem = "does not exist on the hub, nor as a folder, or is private (hf auth login)"
    except _Partial as missing:
        problem = (
            f"is in the local cache only in part ({missing}) and the hub cannot be reached; "
            f"download it with: hf download {repository}, or give a folder that holds it"
        )
    except LocalEntryNotFoundError:
        problem = (
            "is not in the local cache and the hub cannot be reached; download it with: hf "
            f"download {repository}, or give the folder that holds it"
        )
    except (OSError, huggingface_hub.errors.HfHubHTTPError, ValueError) as error:
        problem = f"cannot be downloaded ({str(error).splitlines()[0]})"
    else:
        return path, path.name
    raise UserError(f"config: {where}: checkpoint {repository} {problem}.")


class _Partial(Exception):
    """What the local cache lacks."""


def _download(repository: str, revision: str | None, choice: Choice) -> Path:
    """The repository's folder, with all that is loaded; what is there is not downloaded again."""
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    try:
        info = HfApi().model_info(repository, revision=revision)
    except RevisionNotFoundError:
        raise
    except (OfflineModeIsEnabled, HfHubHTTPError, httpx.TransportError) as error:
        try:
            return _cached(repository, revision, choice)
        except LocalEntryNotFoundError:
            if isinstance(error, HfHubHTTPError):
                raise error from None
            raise
    patterns = list(selection.BESIDE_WEIGHTS)
    folder = Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    # What is loaded is known once the indices of weights in several files are there.
    names = [file.rfilename for file in info.siblings or ()]
    weights = [path.relative_to(folder) for path in selection.loaded(folder, choice, names)]
    patterns += [glob.escape(path.as_posix()) for path in weights]
    return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))


def _cached(repository: str, revision: str | None, choice: Choice) -> Path:
    """The repository's folder in the local cache.

    Raises
    ------
    LocalEntryNotFoundError
        If it is not there.
    _Partial
        If the cache knows the repository's files, and some that are loaded are not there. A cache
        that does not know them is looked at as any folder is.
    """
    from huggingface_hub import get_cached_repo_tree, snapshot_download
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    folder = Path(
        snapshot_download(repository, revision=revision, allow_patterns=[], local_files_only=True)
    )
    try:
        tree = get_cached_repo_tree(repository, revision=revision)
    except CachedRepoTreeNotFoundError:
        return folder
    needed = _needed(folder, choice, [file.path for file in tree])
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise _Partial(f"{len(missing)} files are missing: {', '.join(missing[:3])}")
    return folder


def _needed(folder: Path, choice: Choice, names: Collection[str]) -> list[str]:
    """Of a repository's files those without which nothing can be loaded."""
    weights = [
        path.relative_to(folder).as_posix() for path in selection.loaded(folder, choice, names)
    ]
    if not choice.standard:
        return [*_matching(names, selection.BESIDE_WEIGHTS), *weights]
    needed = {choice.standard}
    for part in selection.parts(folder, choice):
        prefix = f"{part}/" if part else ""
        own = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        found = choice.find(own)
        if not part:
            needed |= {*_matching(own, _OF_A_MODEL)}
        elif found is None:  # of a tokenizer, a scheduler: from_pretrained reads all
            needed |= {prefix + name for name in _matching(own, selection.BESIDE_WEIGHTS)}
        else:
            needed |= {prefix + name for name in (MODEL,) if name in own}
        if found is not None and found.endswith(".json"):
            needed.add(prefix + found)
    return [*sorted(needed), *weights]


def _matching(names: Collection[str], patterns: Collection[str]) -> list[str]:
    return sorted(name for name in names if any(fnmatch(name, pattern) for pattern in patterns))
