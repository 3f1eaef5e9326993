"""Transformers: load tokenizers and models from folders that were checked first.

Nothing here reaches for the network, runs code that came with a model, or opens a pickle.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import torch

from tunesmith.core.digest import of_file
from tunesmith.core.errors import ModelError
from tunesmith.core.extras import require
from tunesmith.models.merge import merge_lora
from tunesmith.tokens.tokenizer import check_template

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PICKLES: Final = frozenset(
    (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill", ".npy", ".npz", ".h5")
)
"""Endings of files that are pickles, or that libraries open as ones."""

_KERNELS: Final = frozenset(
    ("attn_implementation", "_attn_implementation", "_attn_implementation_internal",
     "experts_implementation", "_experts_implementation", "_experts_implementation_internal")
)  # fmt: skip
"""Keys whose value may be a kernel repository ("owner/name") that Transformers downloads and runs,
even when another attention is asked for in the call."""

_CONVERSION: Final = 1
"""Part of the cache's key: raise it when `convert_gguf` would write other bytes."""


def check_safe(folder: Path) -> None:
    """Refuse a model or adapter folder that could run code when it is loaded.

    Raises:
        ModelError: naming the file: a pickle, Python code, or a JSON file with ``auto_map``.

    """
    if not folder.is_dir():
        raise ModelError(
            f"there is no model folder {folder}",
            why="a model is a folder with config.json, safetensors and tokenizer files",
            fix="check the path, or fetch the model first",
            code="model-missing",
        )
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLES:
            raise ModelError(
                f"{path} is a file that is opened as a pickle",
                why="opening a pickle runs whatever code its author put into it",
                fix="convert the weights to safetensors where you trust them, and give that folder",
                code="model-pickle",
            )
        if path.suffix == ".py":
            raise _remote_code(f"{path} is Python code that came with the model")
        if path.suffix == ".json" and path.name != "tokenizer.json":
            for key, value in _settings(path):
                if key == "auto_map" or (key in _KERNELS and "/" in str(value)):
                    raise _remote_code(f"{path} has `{key}`, which names code to import")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder; it must be a fast one (tokenizer.json).

    Raises:
        ModelError: when the folder is unsafe, or its tokenizer files are missing or damaged.

    """
    check_safe(folder)
    library = _transformers()
    try:
        return library.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # its parsers believe the files: damage shows as any error at all
        raise _unreadable(f"the tokenizer of {folder}", error) from error


def load_model(
    folder: Path, *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> PreTrainedModel:
    """The causal language model of a folder, in ``dtype`` on ``device``, in evaluation mode.

    Raises:
        ModelError: when the folder is unsafe, incomplete, or holds an adapter instead of a model.

    """
    check_safe(folder)
    if (folder / "adapter_config.json").exists():
        # Transformers would silently load another base model, by the name that this file gives
        raise ModelError(
            f"{folder} holds an adapter, not a whole model",
            why="an adapter is only the change to a base model",
            fix="give the base model's folder, and this one as the tuned part",
            code="model-is-adapter",
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no .safetensors file",
            why="weights are read from safetensors only",
            fix="fetch the model again, or convert its weights to safetensors",
            code="model-missing",
        )
    return _whole_model(folder, dtype).to(device).eval()


def _whole_model(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The model with every weight from the folder: Transformers would draw absent ones at random."""
    library = _transformers()
    try:
        model, found = library.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (ImportError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # its loader believes the files: damage shows as any error at all
        raise _unreadable(str(folder), error) from error
    wrong = sorted({*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])})
    if wrong:
        raise ModelError(
            f"{folder} lacks {len(wrong)} weights that its config.json asks for, such as {wrong[0]}",
            why="they are absent or of another shape, and would be drawn at random",
            fix="fetch the model again, or restore the config.json that belongs to these weights",
            code="model-unreadable",
        )
    return model


def load_tuned(
    model: Path,
    tuned: Path | None,
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    merge: bool = True,
) -> PreTrainedModel:
    """The base model with what training gave: merged into its weights, or as PEFT modules.

    ``tuned`` is a `Tuned` folder, a plain PEFT adapter folder, or None for the base model alone.

    Raises:
        ModelError: when the adapter does not fit, or was trained with another chat template.

    """
    if tuned is None:
        return load_model(model, dtype=dtype, device=device)
    is_adapter = (tuned / "adapter_config.json").exists()
    check_start(model if is_adapter else tuned, tuned)
    if not is_adapter:
        return load_model(tuned, dtype=dtype, device=device)
    base = load_model(model, dtype=dtype, device=device)
    if not merge:
        from tunesmith.integrations.peft import load_adapter

        return load_adapter(base, tuned)
    from safetensors.torch import load_file

    config = json.loads((tuned / "adapter_config.json").read_text(encoding="utf-8"))
    merge_lora(base, load_file(tuned / "adapter_model.safetensors"), config)
    return base


def check_start(template_of: Path, tuned: Path) -> None:
    """Refuse an unsafe tuned folder, or one that was trained with another chat template.

    ``template_of`` is the folder whose tokenizer would be used with it.
    """
    check_safe(tuned)
    facts = read_tuned(tuned)
    if facts:
        check_template(template_of, str(facts["template"]))


def read_tuned(tuned: Path) -> dict[str, Any]:
    """``tuned.json`` of a tuned folder; empty when there is none (a plain PEFT adapter)."""
    path = tuned / "tuned.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a folder that plain Transformers loads; equal weights give equal bytes."""
    model.save_pretrained(folder, max_shard_size="5GB")
    tokenizer.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


def convert_gguf(file: Path, out: Path, *, cache: Path | None = None) -> None:
    """Write a GGUF file as a Transformers folder: bf16 safetensors, config, tokenizer, template.

    Quantised weights are unpacked, so the folder can be trained. With ``cache`` the result is kept
    there by the file's digest and a second call copies it; equal files give equal bytes.
    """
    if cache is None:
        _convert(file, out)
        return
    kept = cache / "gguf" / f"{of_file(file)[:32]}-{_CONVERSION}-{_transformers().__version__}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            fresh = Path(scratch) / "model"
            fresh.mkdir()
            _convert(file, fresh)
            try:
                os.rename(fresh, kept)
            except OSError:
                # another process was quicker; its bytes are the same
                if not kept.exists():
                    raise
    shutil.copytree(kept, out, dirs_exist_ok=True)


def _convert(file: Path, out: Path) -> None:
    require("gguf", extra="gguf", needed_for="reading a GGUF file")
    library = _transformers()
    where = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        # its progress bar knows no switch, and our own progress is told by events
        with contextlib.redirect_stderr(io.StringIO()):
            model = library.AutoModelForCausalLM.from_pretrained(
                file.parent,
                dtype=torch.bfloat16,
                quantization_config=library.GgufConfig(dequantize=True),
                **where,
            )
            tokenizer = library.AutoTokenizer.from_pretrained(file.parent, **where)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # its parser believes the file: damage shows as any error at all
        raise ModelError(
            f"{file} cannot be read as a GGUF model: {error}",
            why="the file is damaged, or its architecture is not one that Transformers converts",
            fix="fetch the file again, or give the model as a Transformers folder",
            code="gguf-unreadable",
        ) from error
    # the weights are plain now, but the model still believes that it is packed and will not save
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    save_model(model, tokenizer, out)


def _transformers() -> ModuleType:
    library = require("transformers", extra="train", needed_for="loading a language model")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


def _settings(path: Path) -> list[tuple[str, object]]:
    """Every key of a JSON file with its value, at any depth; damaged JSON is its reader's to report."""

    def walk(value: object) -> Iterator[tuple[str, object]]:
        if isinstance(value, dict):
            yield from value.items()
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                yield from walk(item)

    try:
        return list(walk(json.loads(path.read_text(encoding="utf-8"))))
    except (ValueError, RecursionError):
        return []


def _unreadable(what: str, error: Exception) -> ModelError:
    told = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"{what} cannot be loaded: {told[0]}",
        why="a file is missing, damaged, or does not belong to the others",
        fix="fetch the model again; a folder needs config.json, safetensors and tokenizer.json",
        code="model-unreadable",
    )


def _remote_code(what: str) -> ModelError:
    return ModelError(
        what,
        why="code that comes with a model can do anything that you can do",
        fix="use a model whose architecture Transformers itself knows, or remove that file or key",
        code="model-remote-code",
    )
