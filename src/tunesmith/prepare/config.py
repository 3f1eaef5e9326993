"""Settings of the stages `collect`, `collect-preferences` and `prepare`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import StringConstraints, model_validator

from tunesmith.core.config import Config

Share = Annotated[float, Ge(0.0), Le(1.0)]
Encoding = Literal["utf-8", "utf-16", "gb18030", "big5", "cp1252"]
Slice = Annotated[str, StringConstraints(pattern=r"^(\d*:\d*)?$")]


class ConversationColumns(Config):
    """Which columns make a turn: text with ``{column}`` in it, or one column's name."""

    prompt: str
    """What the user says, such as "Summarise this visit: {dialogue}"."""
    completion: str
    """What the model should answer."""
    system: str = ""
    """System message; without braces it is the same fixed text for every row."""
    group: str = ""
    """Rows with the same value stay in one split, such as "{patient}"; empty: split by prompt."""


class PreferenceColumns(Config):
    """Which columns make a pair: text with ``{column}`` in it, or one column's name."""

    prompt: str
    """What the user says."""
    chosen: str
    """The better answer."""
    rejected: str
    """The worse answer."""
    system: str = ""
    """System message; without braces it is the same fixed text for every pair."""


class CollectConfig(Config):
    """Where rows come from, and how they become conversations."""

    rows: str
    """A path, or ``pypi://``, ``hf://`` or ``https://``; a folder gives every data file in it."""
    format: Literal[
        "auto", "alpaca", "sharegpt", "messages", "prompt-completion", "text", "kto"
    ] = "auto"
    """The layout of a row; ``auto`` looks at the first rows. Not used when ``columns`` is given."""
    columns: ConversationColumns | None = None
    """The file's own columns, mapped by templates."""
    slice: Slice = ""
    """Rows of each file to read, as start:stop counted from 0, such as "0:80"; empty: all."""
    max_rows: Annotated[int, Ge(0)] = 0
    """Stop after so many good rows; 0 means no limit."""
    max_bad_rows: Annotated[float, Ge(0.0)] = 0.1
    """Rows that may be unreadable before the step fails. Below 1 a share of the rows read, though
    never fewer than 5 rows, so that one broken line does not stop a small file; from 1 on a number
    of rows; 0 means none."""
    encoding: Encoding = "utf-8"
    """Encoding of text files."""
    licence: str = ""
    """Licence of the rows, for the data card."""
    fingerprint: str = ""
    """What identifies the file's bytes; filled in when the run is planned, never by hand."""


class CollectPreferencesConfig(Config):
    """Where pairs of a better and a worse answer come from."""

    rows: str
    """A path, or ``pypi://``, ``hf://`` or ``https://``; a folder gives every data file in it."""
    columns: PreferenceColumns | None = None
    """The file's own columns, mapped by templates; absent: ``chosen`` and ``rejected``."""
    slice: Slice = ""
    """Rows of each file to read, as start:stop counted from 0; empty: all."""
    max_rows: Annotated[int, Ge(0)] = 0
    """Stop after so many good rows; 0 means no limit."""
    max_bad_rows: Annotated[float, Ge(0.0)] = 0.1
    """As in `CollectConfig`."""
    encoding: Encoding = "utf-8"
    """Encoding of text files."""
    licence: str = ""
    """Licence of the rows."""
    fingerprint: str = ""
    """What identifies the file's bytes; filled in when the run is planned, never by hand."""


class RepairConfig(Config):
    """Mending of garbled text with ftfy; quotes, full-width forms and entities are left alone."""

    enabled: bool = True
    """False leaves text as it was read."""


class PrivateConfig(Config):
    """Masking of private data by constants, before duplicates are sought."""

    enabled: bool = True
    """False leaves e-mail addresses, phone and identity numbers in the rows."""


class LengthConfig(Config):
    """Bounds for one row, in words (in Chinese: ideographs).

    Gopher's 50 to 100,000 words are for web pages. Of instruction rows the shortest good ones are
    a single word ("None." is a right clinical note), so only the upper bounds do any work: the
    longest of 100 medical dialogues has 630 words, of 40 whole visits 2,500.
    """

    prompt_at_least: Annotated[int, Ge(0)] = 1
    """Words of the turns before the answer, the system message aside."""
    prompt_at_most: Annotated[int, Ge(1)] = 20_000
    """Words of the turns before the answer, the system message aside."""
    answer_at_least: Annotated[int, Ge(1)] = 1
    """Words of the last answer."""
    answer_at_most: Annotated[int, Ge(1)] = 10_000
    """Words of the last answer."""


class RepetitionConfig(Config):
    """Limits on repeated lines and word sequences in an answer, as shares of its lines or characters.

    The measures are Gopher's (Rae et al. 2021, arXiv:2112.11446, table A1), whose limits for web
    pages (.30 .20 | .20 .18 .16 | .15 .10) lose good rows here: 1.1 % of 999 English and 4.2 % of
    1,000 Chinese Alpaca answers: lists, tables and verse. Ours lose none of the first and 3 of the
    second (a drawing and two lists of titles). Prompts are not judged: nobody learns to write them.
    """

    enabled: bool = True
    """False judges no answer by its repetition."""
    words_at_least: Annotated[int, Ge(1)] = 50
    """Shorter answers are not judged: in a few words every repetition is a large share."""
    duplicate_lines: Share = 0.5
    """Share of non-empty lines that repeat an earlier one."""
    duplicate_line_characters: Share = 0.4
    """Share of characters in such lines."""
    top_2_gram: Share = 0.35
    """Share of characters in the most frequent sequence of 2 words (in Chinese: 4 ideographs)."""
    top_3_gram: Share = 0.35
    """As above, of 3 words (in Chinese: 6 ideographs)."""
    top_4_gram: Share = 0.35
    """As above, of 4 words (in Chinese: 8 ideographs)."""
    duplicate_5_grams: Share = 0.4
    """Share of characters in sequences of 5 words (in Chinese: 10 ideographs) that came before."""
    duplicate_10_grams: Share = 0.35
    """As above, of 10 words (in Chinese: 20 ideographs)."""


class DuplicatesConfig(Config):
    """Exact duplicates: equal after case, width, spaces and punctuation are set aside."""

    enabled: bool = True
    """False keeps every copy."""


class SplitConfig(Config):
    """Shares of training, validation and test rows; they must add up to 1.

    A row's split depends on its group alone (without one, on its prompt), never on the other rows,
    on their order or on the run's seed. So a split is a draw, and small sets differ from the shares.
    """

    train: Share = 0.65
    """Rows to learn from."""
    valid: Share = 0.10
    """Rows whose loss chooses the best checkpoint."""
    test: Share = 0.25
    """Rows that are only ever scored on."""
    salt: str = "78"
    """Another text gives another draw. With this one the demo's 100 rows, grouped by their ID, fall
    near the shares: 64, 11 and 25."""

    @model_validator(mode="after")
    def _add_up(self) -> SplitConfig:
        total = self.train + self.valid + self.test
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"train + valid + test is {total:g} and must be 1")
        return self

    def without_test(self) -> SplitConfig:
        """Every row for training: for rows that arrive later and are judged on the old test rows."""
        return SplitConfig(train=1.0, valid=0.0, test=0.0, salt=self.salt)


class LeakConfig(Config):
    """Training rows that also stand among the test rows are dropped.

    Source: 13-grams as in GPT-3, Brown et al. 2020 (arXiv:2005.14165), appendix C, which drops a
    document for any one of them. Rows made by a template share its words, so here a row is dropped
    when a share of either text is found in the other, and sequences common to many test rows do
    not count.
    """

    enabled: bool = True
    """False keeps training rows that also stand among the test rows."""
    words: Annotated[int, Ge(2)] = 13
    """Length of the sequences compared."""
    share: Annotated[float, Gt(0.0), Le(1.0)] = 0.5
    """Share of the shorter text's sequences that makes a leak."""
    common: Share = 0.2
    """A sequence found in more than this share of the test rows (and at least 3) is boilerplate."""


class PrepareConfig(Config):
    """What is done to collected rows, in this order, and how they are split."""

    language: Literal["en", "zh"] = "en"
    """How words are cut: at spaces, or in Chinese at every ideograph."""
    repair: RepairConfig = RepairConfig()
    private: PrivateConfig = PrivateConfig()
    length: LengthConfig = LengthConfig()
    repetition: RepetitionConfig = RepetitionConfig()
    duplicates: DuplicatesConfig = DuplicatesConfig()
    split: SplitConfig = SplitConfig()
    leak: LeakConfig = LeakConfig()
    licence: str = ""
    """Licence of the rows, for the data card."""
