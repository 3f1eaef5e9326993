"""Spellings of other tools that are accepted and told: theirs -> ours, as dotted keys.

Ours are the names of Transformers, TRL and PEFT. The others are those that LLaMA-Factory, Axolotl
and ms-swift document for the same quantity.
"""

from __future__ import annotations

from typing import Final

ALIASES: Final[dict[str, str]] = {
    "train.finetuning_type": "train.method",  # LLaMA-Factory
    "train.train_type": "train.method",  # ms-swift
    "train.tuner_type": "train.method",  # ms-swift 4
    "train.adapter": "train.method",  # Axolotl
    "train.cutoff_len": "train.max_length",  # LLaMA-Factory
    "train.sequence_len": "train.max_length",  # Axolotl
    "train.max_seq_length": "train.max_length",  # TRL before 0.16
    "train.num_epochs": "train.num_train_epochs",  # Axolotl
    "train.epochs": "train.num_train_epochs",
    "train.lr": "train.learning_rate",
    "train.lr_scheduler": "train.lr_scheduler_type",  # Axolotl
    "train.batch_size": "train.train_batch_size",
    "train.global_batch_size": "train.train_batch_size",
    "train.lora_r": "train.lora.r",  # Axolotl
    "train.lora_rank": "train.lora.r",  # LLaMA-Factory, ms-swift
    "train.lora.rank": "train.lora.r",
    "train.lora_alpha": "train.lora.lora_alpha",
    "train.lora.alpha": "train.lora.lora_alpha",
    "train.lora_dropout": "train.lora.lora_dropout",
    "train.lora.dropout": "train.lora.lora_dropout",
    "train.lora_target": "train.lora.target_modules",  # LLaMA-Factory
    "train.lora_target_modules": "train.lora.target_modules",  # Axolotl
    "train.target_modules": "train.lora.target_modules",
    "align.pref_beta": "align.beta",  # LLaMA-Factory
    "align.dpo_beta": "align.beta",
    "resources.micro_batch_size": "resources.micro_batch",  # Axolotl
    "resources.per_device_train_batch_size": "resources.micro_batch",
    "train.micro_batch_size": "resources.micro_batch",
    "train.per_device_train_batch_size": "resources.micro_batch",
}
