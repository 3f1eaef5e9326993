"""Supervised fine-tuning with LoRA by hand: all of it on one page, with Transformers and PEFT alone.

What tunesmith does in `src/tunesmith/loop/fit.py` and `step.py` with sorted batches, logits only at
labels, checkpoints and progress, this file does in the plainest way. A test holds that both give the
same losses and the same weights (`tests/golden/test_by_hand.py`).

    python docs/by-hand/sft.py MODEL-FOLDER ROWS.jsonl OUT-FOLDER

A line of ROWS.jsonl is {"prompt": "...", "completion": "..."}.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

IGNORED = -100  # torch's word for a place that is not learnt


def encode(row: dict[str, str], tokenizer) -> tuple[list[int], list[int]]:
    """Token ids of a row and its labels: the answer and the end of its turn, by position."""
    asked = [{"role": "user", "content": row["prompt"]}]
    answered = [*asked, {"role": "assistant", "content": row["completion"]}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    # the template's line end after the last turn is never written by a model that stops
    whole = tokenizer.apply_chat_template(answered, tokenize=False).rstrip("\n")
    before = tokenizer.encode(prompt, add_special_tokens=False)
    after = tokenizer.encode(whole[len(prompt) :], add_special_tokens=False)
    return before + after, [IGNORED] * len(before) + after


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    """Rows side by side, filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


def collate(rows: list[tuple[list[int], list[int]]]) -> dict[str, torch.Tensor]:
    """A batch; padding is neither seen nor learnt."""
    return {
        "input_ids": padded([ids for ids, _ in rows], 0),
        "attention_mask": padded([[1] * len(ids) for ids, _ in rows], 0),
        "labels": padded([labels for _, labels in rows], IGNORED),
    }


def sft(model, tokenizer, rows, *, steps: int, batch: int = 8, learning_rate: float = 5e-4):
    """Train ``model`` in place; the mean loss in nats a label token of each step."""
    encoded = [encode(row, tokenizer) for row in rows]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.0)
    losses = []
    for step in range(steps):
        start = step * batch % len(encoded)
        inputs = collate(encoded[start : start + batch])
        logits = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
        ).logits
        # the logits at one place predict the token at the next; the mean is over all label tokens
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), inputs["labels"][:, 1:].flatten(),
            ignore_index=IGNORED,
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    folder, file, out = sys.argv[1:]
    torch.manual_seed(0)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype="float32"), lora)
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    for i, loss in enumerate(sft(model, AutoTokenizer.from_pretrained(folder), rows, steps=30)):
        print(f"step {i + 1}  loss {loss:.4f}")
    model.save_pretrained(out)
