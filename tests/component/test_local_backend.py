"""The local backend with real worker processes: reuse, crashes, kills, signals, gates, locks."""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tunesmith.backends import execute
from tunesmith.core.errors import GateFailed, RunError, Stopped, StoreError, TunesmithError
from tunesmith.core.ledger import Ledger, Record

HERE = Path(__file__).parent
STAGES = ("Count", "Add", "Slow", "Fail", "Judge", "Chatter", "Parent")
Body = dict[str, Any]
Outputs = dict[str, Mapping[str, Any]]


def step(name: str, stage: str, /, config: Body | None = None, **inputs: object) -> Body:
    return {"name": name, "stage": stage, "config": config or {}, "inputs": inputs}


DIAMOND = [
    step("count", "count"),
    step("left", "add", {"plus": 1}, parts=["count.numbers"]),
    step("right", "add", {"plus": 2}, parts=["count.numbers"], extra="count.numbers"),
    step("both", "add", parts=["left.numbers", "right.numbers"]),
]


@pytest.fixture(scope="module", autouse=True)
def _stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The small stages, installed for this process and for its children by an entry point."""
    info = tmp_path_factory.mktemp("installed") / "spine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spine\nVersion: 1\n")
    lines = "".join(f"{name.lower()} = spine_stages:{name}\n" for name in STAGES)
    (info / "entry_points.txt").write_text(f"[tunesmith.stages]\n{lines}")
    with pytest.MonkeyPatch.context() as patch:
        for folder in (info.parent, HERE):
            patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join((str(info.parent), str(HERE))), os.pathsep)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, _stages: None) -> Outputs:
    """Outputs of the road when nobody disturbs it."""
    return Project(tmp_path_factory.mktemp("undisturbed")).run(ROAD)


@dataclass
class Project:
    """A project folder; runs in this process are told to ``told``."""

    folder: Path
    told: list[tuple[str, Body]] = field(default_factory=list)

    def run(self, steps: list[Body], *, hear: Callable[[str, Body], None] | None = None,
            **options: Any) -> Outputs:  # fmt: skip
        def tell(name: str, event: Body) -> None:
            self.told.append((name, event))
            if hear is not None:
                hear(name, event)

        self.told.clear()
        launch = importlib.import_module("spine_launch").launch
        result: Outputs = launch(self.folder, steps, tell, **options)
        return result

    def statuses(self) -> dict[str, str]:
        """Last status of each step of the last run in this process."""
        return {name: event["status"] for name, event in self.told if event["kind"] == "step"}

    def ledger(self) -> Ledger:
        return Ledger(self.folder / ".tunesmith" / "ledger.sqlite", readonly=True)

    def key(self, name: str) -> str:
        with self.ledger() as ledger:
            steps = ledger.steps(ledger.runs()[0]["id"])
        return str(next(row["key"] for row in steps if row["step"] == name))

    def logs(self) -> list[Path]:
        """Logs of the workers that were started, one for each run that needed one."""
        return sorted((self.folder / ".tunesmith" / "runs").glob("*/worker.log"))

    def artefact(self, outputs: Outputs, name: str) -> Path:
        digest = outputs[name]["numbers"][1]
        return self.folder / ".tunesmith" / "store" / "objects" / digest[:2] / digest[2:]

    def numbers(self, outputs: Outputs, name: str) -> list[int]:
        text = (self.artefact(outputs, name) / "numbers.json").read_text()
        numbers: list[int] = json.loads(text)
        return numbers


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(folder)


@dataclass
class Launched:
    """A launcher process and the events that it has told so far."""

    process: subprocess.Popen[str]
    heard: list[Body] = field(default_factory=list)

    def hear(self, **wanted: object) -> Body:
        """Read events until one holds all the wanted values."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.append(json.loads(line))
            if wanted.items() <= self.heard[-1].items():
                return self.heard[-1]
        raise AssertionError(f"never heard {wanted}; heard {self.heard[-3:]}")

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, Body]:
        """Exit status and the last word."""
        assert self.process.stdout is not None
        self.heard += map(json.loads, self.process.stdout)
        return self.process.wait(20), self.heard[-1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Launched]]:
    """Start launcher processes; whatever is left of them is killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(folder: Path, steps: list[Body], **options: object) -> Launched:
        command = [sys.executable, str(HERE / "spine_launch.py"), str(folder), json.dumps(steps)]
        with (tmp_path / "launcher.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, json.dumps(options)], stdout=subprocess.PIPE, stderr=log, text=True
            )
        started.append(process)
        return Launched(process)

    yield begin
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def gone(processes: list[psutil.Process], *, seconds: float) -> bool:
    """Whether all the processes end in time; one that nobody reaps any more has ended."""
    deadline = time.monotonic() + seconds
    while any(map(_lives, processes)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# reuse


def test_a_pipeline_runs_to_its_end_and_joins_one_many_and_optional_inputs(
    project: Project,
) -> None:
    outputs = project.run(DIAMOND)
    assert project.numbers(outputs, "both") == [4, 10]
    assert set(project.statuses().values()) == {"done"}
    assert not list((project.folder / ".tunesmith" / "work").iterdir())
    assert not list((project.folder / ".tunesmith" / "store" / "staging").iterdir())


def test_a_finished_pipeline_is_reused_whole_without_a_worker(project: Project) -> None:
    first = project.run(DIAMOND)
    second = project.run(DIAMOND)
    assert second == first
    assert set(project.statuses().values()) == {"reused"}
    assert len(project.logs()) == 1, "the second run needed no worker"


def test_one_worker_process_serves_all_steps_of_a_run(project: Project) -> None:
    workers = set()
    project.run(DIAMOND, hear=lambda *_: workers.update(_children()))
    assert len(workers) == 1


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_a_changed_setting_runs_exactly_its_step_and_the_descendants(project: Project) -> None:
    project.run(DIAMOND)
    changed = [
        {**body, "config": {"plus": 5}} if body["name"] == "left" else body for body in DIAMOND
    ]
    project.run(changed)
    expected = {"count": "reused", "left": "done", "right": "reused", "both": "done"}
    assert project.statuses() == expected


def test_a_step_made_afresh_with_equal_bytes_leaves_its_descendants_alone(project: Project) -> None:
    project.run(DIAMOND)
    project.run(DIAMOND, afresh=("left",))
    expected = {"count": "reused", "left": "done", "right": "reused", "both": "reused"}
    assert project.statuses() == expected


def test_another_seed_is_another_result(project: Project) -> None:
    steps = [
        step("count", "count"),
        step("slow", "slow", {"seconds": 0.0}, numbers="count.numbers"),
    ]
    assert project.run(steps, seed=1) != project.run(steps, seed=2)


@pytest.mark.parametrize("harm", ["removed", "cut short", "file lost", "manifest broken"])
def test_a_harmed_artefact_is_made_again_and_whole(project: Project, harm: str) -> None:
    first = project.run(DIAMOND)
    folder = project.artefact(first, "left")
    if harm == "removed":
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    elif harm == "cut short":
        (folder / "numbers.json").write_text("[")
    elif harm == "file lost":
        (folder / "numbers.json").unlink()
    else:
        (folder / "manifest.json").write_text('{"files"')
    second = project.run(DIAMOND)
    assert second == first
    expected = {"count": "reused", "left": "done", "right": "reused", "both": "reused"}
    assert project.statuses() == expected
    project.run(DIAMOND)
    assert set(project.statuses().values()) == {"reused"}


def test_many_runs_leave_no_file_open(project: Project) -> None:
    project.run(DIAMOND)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        project.run(DIAMOND, afresh=("count",))
    assert len(os.listdir("/proc/self/fd")) <= before


# failures


def failing(how: str) -> list[Body]:
    return [
        step("count", "count"),
        step("fail", "fail", {"how": how}, numbers="count.numbers"),
        step("after", "add", parts=["fail.numbers"]),
    ]


@pytest.mark.parametrize(
    ("how", "kind", "code", "words"),
    [
        ("raise", RunError, "internal-error", "ValueError: seven is not eight"),
        ("exit", RunError, "internal-error", "SystemExit: a library left"),
        ("user", TunesmithError, "row-empty", "row 3 is empty"),
        ("memory", RunError, "out-of-memory", "ran out of memory"),
        ("disk", StoreError, "disk-full", "is full"),
        ("wrapped disk", StoreError, "disk-full", "is full"),
        ("kill", RunError, "worker-died", "killed by signal 9"),
    ],
)
def test_a_failed_step_tells_its_cause_and_the_next_run_goes_on(
    project: Project, how: str, kind: type[TunesmithError], code: str, words: str
) -> None:
    with pytest.raises(kind) as caught:
        project.run(failing(how))
    assert (caught.value.code, words in caught.value.what) == (code, True)
    assert project.statuses() == {"count": "done", "fail": "failed"}
    with project.ledger() as ledger:
        notes = ledger.events(project.key("fail"), "note")
        row = ledger.steps(ledger.runs()[0]["id"])[1]
    assert [note["text"] for note in notes] == ["about to fail"], "kept, also when it was killed"
    assert (row["status"], json.loads(row["error"])["code"]) == ("failed", code)
    (project.folder / "mended").touch()
    outputs = project.run(failing(how))
    assert project.statuses() == {"count": "reused", "fail": "done", "after": "done"}
    assert project.numbers(outputs, "after") == [102]


def test_a_fault_of_ours_names_the_log_that_holds_the_traceback(project: Project) -> None:
    with pytest.raises(RunError) as caught:
        project.run(failing("raise"))
    (log,) = project.logs()
    assert str(log) in caught.value.fix
    assert "spine_stages.py" in log.read_text()
    assert caught.value.exit_code == 1


def test_what_a_failed_attempt_said_is_not_told_again(project: Project) -> None:
    with pytest.raises(RunError):
        project.run(failing("raise"))
    (project.folder / "mended").touch()
    project.run(failing("raise"))
    assert not [event for _, event in project.told if event.get("text") == "about to fail"]


def test_printing_to_standard_output_does_not_confuse_the_protocol(project: Project) -> None:
    steps = [step("chatter", "chatter"), step("after", "add", parts=["chatter.numbers"])]
    outputs = project.run(steps)
    assert project.numbers(outputs, "chatter") == [0], "standard input is empty for a stage"
    assert "no end of line" in project.logs()[0].read_text(), "what is printed goes to the log"


def test_a_file_of_the_project_is_never_imported_in_place_of_a_package(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("queue", "pydantic", "spine_stages", "tunesmith"):
        (project.folder / f"{name}.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(project.folder)
    project.run(DIAMOND)
    assert set(project.statuses().values()) == {"done"}


def test_a_killed_worker_takes_its_children_with_it(project: Project) -> None:
    family: list[psutil.Process] = []

    def hear(_: str, event: Body) -> None:
        if event["kind"] == "note":
            child = psutil.Process(int(event["text"].split()[1]))
            worker = child.parent()
            assert worker is not None
            family.extend([child, worker])
            worker.kill()

    with pytest.raises(RunError, match="killed by signal 9"):
        project.run([step("parent", "parent")], hear=hear)
    assert len(family) == 2
    assert gone(family, seconds=2)


# gates


def judged(at_least: int, *, blocking: bool = True) -> list[Body]:
    return [
        step("count", "count"),
        step(
            "judge", "judge", {"at_least": at_least, "blocking": blocking}, numbers="count.numbers"
        ),
        step("after", "add", parts=["judge.numbers"]),
    ]


def test_a_failed_gate_stops_the_pipeline_after_its_step(project: Project) -> None:
    for status in ("done", "reused"):
        with pytest.raises(GateFailed, match="the sum is 3") as caught:
            project.run(judged(4))
        assert caught.value.exit_code == 3
        assert project.statuses() == {"count": status, "judge": status}


def test_an_accepted_gate_lets_the_pipeline_go_on_and_is_on_record(project: Project) -> None:
    with pytest.raises(GateFailed):
        project.run(judged(4))
    project.run(judged(4), accept={"enough": "three will do"})
    assert project.statuses() == {"count": "reused", "judge": "reused", "after": "done"}
    with project.ledger() as ledger:
        assert ledger.acceptances(project.key("judge")) == {"enough": "three will do"}
    project.run(judged(4))
    assert project.statuses()["after"] == "reused", "what was accepted once stays accepted"


def test_a_gate_is_also_accepted_by_the_name_of_its_step(project: Project) -> None:
    project.run(judged(4), accept={"judge": "three will do"})
    assert project.statuses()["after"] == "done"


def test_acceptance_does_not_reach_another_result_of_the_same_gate(project: Project) -> None:
    project.run(judged(4), accept={"enough": "three will do"})
    with pytest.raises(GateFailed):
        project.run(judged(5))


def test_a_gate_that_only_informs_lets_the_pipeline_go_on(project: Project) -> None:
    project.run(judged(4, blocking=False))
    assert project.statuses()["after"] == "done"
    with project.ledger() as ledger:
        (gate,) = ledger.gates(project.key("judge"))
    assert (gate["decision"], gate["blocking"], gate["value"]) == ("failed", False, 3.0)


def test_a_result_left_behind_by_a_killed_launcher_keeps_its_failed_gate(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for SIGKILL between the worker's last word and the acknowledgement."""

    acknowledge = Ledger.acknowledge

    def killed(ledger: Ledger, record: Record) -> None:
        if record.stage == "judge":
            raise Killed
        acknowledge(ledger, record)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "acknowledge", killed)
        with pytest.raises(Killed):
            project.run(judged(4))
    # The launcher that died had read none of the events.
    with sqlite3.connect(project.folder / ".tunesmith" / "ledger.sqlite") as db:
        db.execute("DELETE FROM events WHERE key = ?", (project.key("judge"),))
    db.close()
    workers = len(project.logs())
    with pytest.raises(GateFailed):
        project.run(judged(4))
    assert len(project.logs()) == workers, "the result was there, so no worker was needed"


# signals and kills

ROAD = [
    step("count", "count", {"until": 5, "sleep": 0.02}),
    step("add", "add", parts=["count.numbers"]),
    step("slow", "slow", {"steps": 6, "seconds": 0.03}, numbers="add.numbers"),
    step("judge", "judge", numbers="slow.numbers"),
    step("last", "slow", {"steps": 4, "seconds": 0.03}, numbers="judge.numbers"),
]


@pytest.mark.parametrize("name", [body["name"] for body in ROAD])
def test_a_launcher_killed_in_a_step_loses_nothing_and_leaves_no_orphan(
    project: Project, undisturbed: Outputs, start: Callable[..., Launched], name: str
) -> None:
    moments = random.Random(f"moments of {name}")
    for _ in range(3):
        launched = start(project.folder, ROAD, afresh=[name])
        launched.hear(step=name, kind="step", status="running")
        time.sleep(moments.uniform(0.0, 0.35))
        family = launched.family()
        launched.process.kill()
        launched.process.wait()
        assert gone(family, seconds=2), "the worker ends with its launcher"
    assert project.run(ROAD) == undisturbed
    with project.ledger() as ledger:
        statuses = {run["status"] for run in ledger.runs()}
        points = [p["x"] for p in ledger.events(project.key("slow"), "point")]
    assert statuses <= {"done", "killed"}
    assert points == list(range(1, 7)), "a curve of several attempts has each point once"
    assert not list((project.folder / ".tunesmith" / "work").iterdir())
    assert not list((project.folder / ".tunesmith" / "store" / "staging").iterdir())


def test_a_stage_goes_on_from_its_checkpoint_after_a_kill(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, ROAD)
    launched.hear(step="slow", kind="point", x=3)
    launched.process.kill()
    launched.process.wait()
    project.run(ROAD)
    resumed = [event["body"]["at"] for _, event in project.told if event.get("name") == "resumed"]
    assert resumed[0] >= 3


LONG = [
    step("count", "count"),
    step("slow", "slow", {"steps": 1000, "seconds": 0.02}, numbers="count.numbers"),
]
DEAF = [LONG[0], step("slow", "slow", {"steps": 1000, "deaf": True}, numbers="count.numbers")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_in_order_within_two_seconds(
    project: Project, start: Callable[..., Launched], number: signal.Signals
) -> None:
    launched = start(project.folder, LONG)
    launched.hear(step="slow", kind="progress")
    family = launched.family()
    asked = time.monotonic()
    launched.process.send_signal(number)
    status, last = launched.end()
    assert (status, last["error"]["code"], last["error"]["type"]) == (143, "stopped", "Stopped")
    assert time.monotonic() - asked < 2
    assert gone(family, seconds=0.5)
    with project.ledger() as ledger:
        assert [s["status"] for s in ledger.steps(ledger.runs()[0]["id"])] == ["done", "stopped"]


def test_a_signal_while_the_worker_starts_is_a_stop_and_not_a_death(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, LONG)
    launched.hear(step="count", kind="step", status="running")
    launched.process.send_signal(signal.SIGINT)
    status, last = launched.end()
    assert (status, last["error"]["code"]) == (143, "stopped")


def test_a_second_signal_ends_a_stage_that_does_not_listen(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, DEAF)
    launched.hear(step="slow", kind="point")
    family = launched.family()
    launched.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert launched.process.poll() is None, "the first one asks"
    launched.process.send_signal(signal.SIGINT)
    status, last = launched.end()
    assert (status, last["error"]["code"]) == (143, "stopped")
    assert gone(family, seconds=0.5)


def test_a_stage_that_does_not_listen_is_ended_after_a_while(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "_STOP_SECONDS", 0.3)

    def hear(_: str, event: Body) -> None:
        if event["kind"] == "point" and event["x"] == 1:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped):
        project.run(DEAF, hear=hear)


def test_a_signal_between_two_steps_starts_no_other_step(project: Project) -> None:
    def hear(name: str, event: Body) -> None:
        if (name, event.get("status")) == ("count", "done"):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped):
        project.run(DIAMOND, hear=hear)
    assert project.statuses() == {"count": "done"}


def test_the_handlers_of_signals_are_put_back(project: Project) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    project.run(DIAMOND[:1])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_child_of_a_stage_ends_with_a_killed_launcher(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, [step("parent", "parent")])
    child = psutil.Process(int(launched.hear(kind="note")["text"].split()[1]))
    family = [*launched.family(), child]
    launched.process.kill()
    assert gone(family, seconds=2)


# locks


def test_a_second_launcher_is_refused_within_a_second_and_told_the_owner(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, LONG)
    launched.hear(step="slow", kind="progress")
    asked = time.monotonic()
    with pytest.raises(StoreError, match=f"process {launched.process.pid}") as caught:
        project.run(LONG)
    assert time.monotonic() - asked < 1
    assert caught.value.code == "project-locked"


def test_a_run_waits_for_the_worker_of_a_killed_launcher(
    project: Project, start: Callable[..., Launched]
) -> None:
    launched = start(project.folder, LONG)
    launched.hear(step="slow", kind="point")
    (worker,) = launched.family()
    worker.suspend()
    launched.process.kill()
    launched.process.wait()
    second = start(project.folder, ROAD)
    time.sleep(0.8)
    assert psutil.Process(second.process.pid).children() == [], "it waits for the orphan"
    worker.resume()
    assert second.end()[0] == 0
    assert gone([worker], seconds=0.5)
