"""What ``/metrics`` shows: counters and histograms of one server, in a registry of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tunesmith.core.extras import require
from tunesmith.serve.job import Job

_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)


class Numbers:
    """Prometheus metrics of a server; ``load`` gives (running, waiting)."""

    def __init__(self, model: str, engine: str, load: Callable[[], tuple[int, int]]) -> None:
        library: Any = require("prometheus_client", extra="serve", needed_for="serving /metrics")
        self._library = library
        self._registry = library.CollectorRegistry()
        known: dict[str, Any] = {"registry": self._registry, "namespace": "tunesmith"}
        self._requests = library.Counter(
            "requests", "Requests by HTTP status; 499: the client left.", ["status"], **known
        )
        self._tokens = library.Counter("tokens", "Tokens read and written.", ["kind"], **known)
        self._first = library.Histogram(
            "time_to_first_token_seconds", "From arrival to the first token.",
            buckets=_SECONDS, **known,
        )  # fmt: skip
        self._whole = library.Histogram(
            "request_seconds", "From arrival to the end.", buckets=_SECONDS, **known
        )
        for name, at in (("running", 0), ("waiting", 1)):
            gauge = library.Gauge(f"requests_{name}", f"Requests {name} now.", **known)
            gauge.set_function(lambda at=at: load()[at])
        library.Info("server", "What is served.", **known).info({"model": model, "engine": engine})

    def refused(self, status: int) -> None:
        """Count a request that never reached the engine."""
        self._requests.labels(str(status)).inc()

    def ended(self, job: Job, status: int, completion_tokens: int, ended_at: float) -> None:
        """Count a request that did."""
        self._requests.labels(str(status)).inc()
        self._tokens.labels("prompt").inc(job.prompt_tokens)
        self._tokens.labels("completion").inc(completion_tokens)
        self._whole.observe(ended_at - job.queued_at)
        if job.first_token_at is not None:
            self._first.observe(job.first_token_at - job.queued_at)

    def text(self) -> tuple[bytes, str]:
        """The page and its content type."""
        return self._library.generate_latest(self._registry), self._library.CONTENT_TYPE_LATEST
