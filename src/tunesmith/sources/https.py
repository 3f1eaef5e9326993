"""``https://...?sha256=...``: one file behind a link, refused when its bytes are not the pinned ones."""

from __future__ import annotations

from pathlib import Path

from tunesmith.sources import cache as store
from tunesmith.sources.index import download
from tunesmith.sources.uri import link


def fetch(uri: str, cache: Path) -> Path:
    """The file behind ``uri``, from the cache when it is there.

    Raises:
        ConfigError: without a digest.
        DataError: when the server cannot be reached, or sends other bytes.

    """
    wanted = link(uri)
    place = cache / "files" / wanted.sha256 / wanted.file_name
    if place.is_file():
        return place
    with store.held(cache, wanted.sha256), store.work_folder(cache) as work:
        file = work / wanted.file_name
        download(wanted.url, file, sha256=wanted.sha256)
        store.publish(file, place)
    return place
