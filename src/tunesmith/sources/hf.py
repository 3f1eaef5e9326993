"""``hf://OWNER/NAME[@REVISION][/path]``: a model or data set of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from tunesmith.core.table import resolve
from tunesmith.sources.uri import HubFile, hub_file

_DOWNLOAD: Final = "tunesmith.integrations.huggingface:download"
"""Resolved when used: the library lives a floor above, and a local path must not need it."""


def fetch(uri: str, cache: Path) -> Path:
    """The file or folder behind ``uri``, in the hub library's own cache, shared with other tools.

    Raises:
        ConfigError: without an owner and a name.
        DataError: when the hub cannot be reached and the file is not in its cache.

    """
    del cache  # The hub's cache is the one every other tool of the field reads.
    download = cast(Callable[[HubFile], Path], resolve(_DOWNLOAD))
    return download(hub_file(uri))
