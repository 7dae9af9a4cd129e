"""The kinds of editors.

A new kind is a class of settings in ``config/editors.py``, a file here with a class that derives
from :class:`~edit_benchmark.editing.editor.Editor`, and an entry in :data:`KINDS`. Whatever needs
torch is imported only when an editor is built: a job takes its device before that.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any

from edit_benchmark.checkpoints.fingerprint import file_fingerprint
from edit_benchmark.checkpoints.record import Checkpoint
from edit_benchmark.class_path import load_class, source_hashes
from edit_benchmark.config.editors import (
    CandidateEditorSettings,
    DiffusersEditorSettings,
    EditorSettings,
    FolderEditorSettings,
    IdentityEditorSettings,
    OwnEditorSettings,
    ServedEditorSettings,
)
from edit_benchmark.config.servers import SERVED_KEY_SETTINGS
from edit_benchmark.dataset.layouts import image_files
from edit_benchmark.editing import arguments, capabilities, pipelines
from edit_benchmark.editing.editor import Editor
from edit_benchmark.editing.identity import IdentityEditor
from edit_benchmark.errors import SkipSample
from edit_benchmark.records import Sample
from edit_benchmark.results.files import state
from edit_benchmark.runtime.kinds import (
    LIBRARIES,
    Caller,
    Kind,
    all_libraries,
    former_fields,
    former_own_fields,
    own_devices,
)
from edit_benchmark.versions import installed


def _build_identity(
    settings: IdentityEditorSettings, checkpoint: Checkpoint | None, device: str
) -> Editor:
    return IdentityEditor()


def _build_diffusers(
    settings: DiffusersEditorSettings, checkpoint: Checkpoint | None, device: str
) -> Editor:
    from edit_benchmark.checkpoints.loading import worth_reading
    from edit_benchmark.checkpoints.prefetch import Prefetch
    from edit_benchmark.editing import placement

    assert checkpoint is not None
    folder = Path(checkpoint.path)
    places = placement.places(settings, folder, device)
    # Reading begins first: importing diffusers and transformers takes longer than reading 54 GiB.
    prefetch = Prefetch(worth_reading(folder), settings, device, places)

    from edit_benchmark.editing.diffusers_pipeline import DiffusersEditor

    return DiffusersEditor(settings, checkpoint, device, prefetch)


def _import_diffusers(settings: DiffusersEditorSettings, checkpoint: Checkpoint | None) -> None:
    from edit_benchmark.checkpoints.loading import import_classes
    from edit_benchmark.editing import diffusers_pipeline  # noqa: F401  imports its libraries

    assert checkpoint is not None
    import_classes(Path(checkpoint.path))


def _in_use(settings: DiffusersEditorSettings, checkpoint: Checkpoint | None) -> dict[str, Any]:
    """Key fields of the approximations and of what came later: each where it is in use."""
    later = {name for name in ("area", "variant") if getattr(settings, name) is not None}
    fields = settings.model_dump(mode="json", include=later | set(settings.approximations))
    pipeline = checkpoint.pipeline if checkpoint is not None else ""
    if pipeline in pipelines.NEEDS:
        fields["packages"] = installed(pipelines.NEEDS[pipeline])
    if pipeline in pipelines.TRANSPARENT:
        fields["transparency"] = "on white"
    if settings.lora is not None:
        assert checkpoint is not None
        # The adapter is what its file holds, wherever that lies.
        fields["lora"] |= {"path": None, "sha256": checkpoint.adapter_sha256}
    return fields


def _diffusers_libraries(settings: DiffusersEditorSettings) -> tuple[str, ...]:
    return (*LIBRARIES, "peft") if settings.lora else LIBRARIES


def _former_diffusers(
    settings: DiffusersEditorSettings, checkpoint: Checkpoint | None, fields: dict[str, Any]
) -> dict[str, Any]:
    former = former_fields(fields, ("torch", "diffusers", "transformers"), checkpoint)
    if settings.lora is not None:
        adapter = {"path": None, "fingerprint": file_fingerprint(settings.lora.file)}
        former["lora"] = settings.lora.model_dump(mode="json") | adapter
    return former


def _build_own(settings: OwnEditorSettings, checkpoint: Checkpoint | None, device: str) -> Editor:
    own: Any = load_class(settings.class_path, Editor, "edit")
    path = checkpoint.path if checkpoint else None
    params = deepcopy(settings.params)  # the class may change them
    editor: Editor = own(checkpoint=path, dtype=settings.dtype, device=device, **params)
    return editor


def _connect(settings: ServedEditorSettings, caller: Caller) -> AbstractContextManager[Editor]:
    from edit_benchmark.editing.served import connect

    return connect(settings, caller)


def _served_key_fields(
    settings: ServedEditorSettings, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """What determines a size by some settings only."""
    if settings.size != "source":
        return settings.serve_fields
    sizes = {"max_pixels": settings.max_pixels, "size_multiple": settings.size_multiple}
    return settings.serve_fields | sizes


_IDENTITY = Kind(
    role="editor",
    name="identity",
    protocol=1,
    key_settings=(),
    libraries=lambda settings: (),
    build=_build_identity,
    former_key_fields=lambda settings, checkpoint, fields: former_fields(fields, (), None),
    needs_device=False,
)
_DIFFUSERS = Kind(
    role="editor",
    name="diffusers",
    protocol=2,
    key_settings=(
        "dtype",
        "num_inference_steps",
        "true_cfg_scale",
        "negative_prompt",
        "height",
        "width",
        "call",
        "exact",
    ),
    libraries=_diffusers_libraries,
    build=_build_diffusers,
    import_ahead=_import_diffusers,
    more_key_fields=_in_use,
    check=arguments.check,
    former_key_fields=_former_diffusers,
)
_OWN = Kind(
    role="editor",
    name="class_path",
    protocol=1,
    key_settings=("class_path", "params", "dtype"),
    libraries=all_libraries,
    build=_build_own,
    source_hashes=lambda settings: source_hashes(settings.class_path),
    more_key_fields=own_devices,
    former_key_fields=former_own_fields,
)
_FOLDER: Kind[FolderEditorSettings, Editor] = Kind(
    role="editor",
    name="folder",
    protocol=1,
    # Which image it is, the key of each edit says by its hash.
    key_settings=(),
    libraries=lambda settings: (),
    needs_device=False,
    files=lambda settings: state(image_files(settings.folder)),
)
_CANDIDATE: Kind[CandidateEditorSettings, Editor] = Kind(
    role="editor",
    name="candidate",
    protocol=1,
    # As of a folder, whichever of the two it is.
    key_settings=(),
    libraries=lambda settings: (),
    needs_device=False,
)
_SERVED: Kind[ServedEditorSettings, Editor] = Kind(
    role="editor",
    name="openai",
    protocol=1,
    key_settings=(
        *SERVED_KEY_SETTINGS,
        "dialect",
        "size",
        "num_inference_steps",
        "guidance_scale",
        "true_cfg_scale",
        "negative_prompt",
        "quality",
    ),
    libraries=lambda settings: (),
    needs_device=False,
    connect=_connect,
    more_key_fields=_served_key_fields,
)
#: Every kind by the name that a configuration gives it.
KINDS: dict[str, Kind[Any, Editor]] = {
    kind.name: kind for kind in (_IDENTITY, _DIFFUSERS, _OWN, _FOLDER, _CANDIDATE, _SERVED)
}


def refusal(
    settings: EditorSettings, checkpoint: Checkpoint | None, sample: Sample
) -> SkipSample | None:
    """Why the editor of ``settings`` cannot take ``sample``, as far as is known beforehand."""
    if isinstance(settings, ServedEditorSettings):
        takes = capabilities.of_dialect(settings.dialect)
    elif isinstance(settings, DiffusersEditorSettings):
        assert checkpoint is not None
        takes = capabilities.of_pipeline(checkpoint.pipeline)
    else:
        return None  # the class itself tells
    try:
        takes.check(len(sample.sources), has_mask=bool(sample.mask))
    except SkipSample as skip:
        return skip
    return None


def build(settings: EditorSettings, checkpoint: Checkpoint | None, device: str) -> Editor:
    """The editor of ``settings``, loaded onto ``device`` (``cuda`` or ``cpu``)."""
    return KINDS[settings.editor].build(settings, checkpoint, device)
