"""Invented details: numbers that the model states about something the text does not say.

A person reads a text without a telephone number and is asked for it; the honest answer has no
digits. So the fault is checkable without a judge: a number in the answer that the prompt holds in
no form (digits, words, Chinese characters). It is a narrow test: invented words pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from tunesmith.core.stage import Context
from tunesmith.evaluate.config import ProbeConfig
from tunesmith.evaluate.probed import Probed, ask, text_of
from tunesmith.metrics.row_scores import shares
from tunesmith.metrics.scores import ByRow
from tunesmith.metrics.unsupported import invented_numbers
from tunesmith.metrics.words import Language
from tunesmith.ports import Engine
from tunesmith.records.conversation import Conversation, Message

NAME = "invented details"
SCORER = "answers that state a number absent from the text"

QUESTIONS: dict[Language, tuple[str, ...]] = {
    "en": (
        "What telephone number does the text above give?",
        "What amount of money does the text above name?",
        "What is the reference or account number in the text above?",
        "On what exact date, with the year, was the text above written?",
    ),
    "zh": (
        "上文给出的电话号码是多少？",
        "上文提到的金额是多少？",
        "上文中的编号或账号是多少？",
        "上文写于哪一年哪一月哪一日？",
    ),
}
INSTRUCTIONS: dict[Language, str] = {
    "en": "Do nothing else with the text; answer only this question. If the text does not say it, "
    "answer: not stated.",
    "zh": "不要对上文做其他处理，只回答这个问题。如果上文没有说明，请回答：未说明。",
}


def invented_details(
    engine: Engine, rows: Sequence[Conversation], config: ProbeConfig, ctx: Context
) -> tuple[dict[str, ByRow], list[Probed]]:
    """Share of answers with an invented number, and the answers.

    A text that does hold the detail does no harm to the test: its number is then supported.
    """
    if not rows:
        return {}, []
    questions = config.questions or QUESTIONS[config.language]
    prompts = [
        _asked(row, question, config.language)
        for row, question in zip(rows, cycle(questions), strict=False)
    ]
    answers = ask(engine, prompts, config, ctx, label=NAME)
    probed = [
        Probed(NAME, row, text_of(prompt), "", answer, _found(prompt, answer))
        for row, prompt, answer in zip(rows, prompts, answers, strict=True)
    ]
    has_invented = shares([bool(one.found) for one in probed], scorer=SCORER, better="lower")
    return {NAME: ByRow(tuple(row.id for row in rows), has_invented)}, probed


def _asked(row: Conversation, question: str, language: Language) -> tuple[Message, ...]:
    """The row's prompt with the question after its last turn."""
    *earlier, last = row.prompt
    text = f"{last.content}\n\n{question} {INSTRUCTIONS[language]}"
    return (*earlier, Message("user", text))


def _found(prompt: Sequence[Message], answer: str) -> str:
    return ", ".join(sorted(invented_numbers(text_of(prompt), answer)))
