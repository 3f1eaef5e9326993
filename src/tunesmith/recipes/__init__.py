"""Recipes: functions from a project's settings to a pipeline, found by name in one table."""

from __future__ import annotations

from typing import Final

RECIPES: Final[dict[str, str]] = {
    "lifecycle": "tunesmith.recipes.lifecycle:lifecycle",
    "sft": "tunesmith.recipes.lifecycle:sft",
    "dpo": "tunesmith.recipes.lifecycle:dpo",
}
