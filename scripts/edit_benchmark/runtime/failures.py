"""Telling one sample's failure from a failure that no other sample will survive."""

from __future__ import annotations

import errno
import gc
import logging
import sys
from collections.abc import Callable
from typing import TypeVar

from edit_benchmark.errors import SampleError, UserError
from edit_benchmark.runtime.containment import contained
from edit_benchmark.runtime.keeping import resident

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Once the CUDA context is broken every further call in this process fails as well.
_LOST_DEVICE = (
    "CUDA error",
    "CUBLAS_STATUS",
    "cuDNN error",
    "NVML",
    "Unable to find a valid device",
)
#: Errors of a disk that takes nothing more.
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def attempt(call: Callable[[], Result], what: str) -> Result:
    """Run ``call``; if the device is out of memory, once more with its cache emptied.

    Raises
    ------
    SampleError
        If it failed in a way that concerns this sample alone; the traceback is in the log.
    UserError
        If the job cannot go on: the device is lost, the disk is full, host memory ran out.
    """
    try:
        return contained(call)
    except Exception as error:
        if not _out_of_memory(error):
            raise _classified(error, what) from error
        log.warning("%s: out of memory on the device; once more with its cache emptied", what)
    # Outside the except block: the traceback would keep the failed call's tensors alive.
    _empty_cache()
    # Other models on the device leave: alone, this one might have had enough.
    resident.make_room()
    try:
        return contained(call)
    except Exception as error:
        raise _classified(error, what) from error


def loading(build: Callable[[], Result], name: str) -> Result:
    """Run ``build``, which loads the model ``name``.

    Raises
    ------
    UserError
        If it cannot be loaded; the traceback is in the log.
    """
    try:
        return contained(build)
    except UserError:
        raise
    except Exception as error:
        stop_if_fatal(error)
        if _out_of_memory(error):
            problem = "the device's memory is not enough for its weights"
        elif isinstance(error, SampleError):
            problem = str(error)
        else:
            problem = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        log.error("loading failed", exc_info=error)
        raise UserError(
            f"{name} cannot be loaded: {problem}; the traceback is in the job's log."
        ) from error


def stop_if_fatal(error: BaseException, what: str = "") -> None:
    """Raise a UserError if ``error`` is one that every further sample would meet too.

    It names ``what`` was under way, such as ``sample 17``.
    """
    at = f" at {what}" if what else ""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        raise UserError(
            f"cannot write results: {error.strerror} ({error.filename or 'results'}); what was "
            "finished is kept: make room and run the same command again."
        ) from error
    if isinstance(error, MemoryError):
        raise UserError(
            f"the host's memory ran out{at}; what was finished is kept: run fewer jobs at once "
            "(device_ids, --resources gpu=N) and run the same command again."
        ) from error
    if type(error).__name__ == "AcceleratorError" or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in _LOST_DEVICE)
    ):
        raise UserError(
            f"the device stopped working{at} ({str(error).splitlines()[0]}); what was finished is "
            "kept: look at nvidia-smi, leave the device out of device_ids if it is broken, and "
            "run the same command again."
        ) from error


def _classified(error: Exception, what: str) -> Exception:
    if isinstance(error, UserError | SampleError):
        return error
    if _out_of_memory(error):
        return SampleError("out_of_memory", "the device's memory was not enough, twice")
    stop_if_fatal(error, what)
    log.error("%s failed", what, exc_info=error)
    first_line = (str(error).splitlines() or [""])[0]
    return SampleError(type(error).__name__, first_line)


def _out_of_memory(error: Exception) -> bool:
    # By name: torch is not imported by editors that do not need it.
    return type(error).__name__ == "OutOfMemoryError"


def _empty_cache() -> None:
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
