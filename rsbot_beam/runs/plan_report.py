"""What a plan says: as a table, as JSON, in a notebook."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rsbot_beam.earthengine.endpoint import Endpoint
from rsbot_beam.runs.counting import Count
from rsbot_beam.runs.estimate import Cost, Duration, Machines, Pace
from rsbot_beam.runs.plan_settings import TIERS, PlanSettings
from rsbot_beam.runs.trial import Trial

if TYPE_CHECKING:
    from rsbot_beam.runs.planning import Planned

VERSION = 1


@dataclass(frozen=True)
class Traffic:
    """Bytes between a run and Earth Engine.

    Attributes:
        sent: Bodies of the requests.
        received: Bodies of the answers.
    """

    sent: int
    received: int


@dataclass(frozen=True)
class DataflowTime:
    """A run on Dataflow, without the minutes in which machines start.

    Attributes:
        machines: What runs.
        seconds: How long.
        limit: As in `estimate.Duration`.
        worker_hours: Of machines that all run from beginning to end.
    """

    machines: Machines
    seconds: float
    limit: str
    worker_hours: float


@dataclass(frozen=True)
class Limit:
    """EECU-hours that a run is held against.

    Attributes:
        name: "tier community" and the like, or "budget".
        hours: EECU-hours.
        share: Of them that the run takes, or None where its cost is not known.
    """

    name: str
    hours: float
    share: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the run stays within; what is not known does not."""
        return self.share is not None and self.share <= 1


@dataclass(frozen=True)
class PlanReport:
    """What a run will take, before it is started.

    Attributes:
        command: "export" or "predict".
        title: What is to be made.
        output: The run's folder, or None for none.
        endpoint: Earth Engine, with the quota.
        exact: Whether it is known which tiles are taken; if not, `whole` is the most that can be.
        whole: All that the run asks for.
        left: What an earlier run has left to do, or None where there was none.
        counting: Requests that look for classes before tiles are drawn.
        splits: Number of tiles by partition, or None.
        trial: What the sampled tiles have shown, or None where none was tried.
        traffic: Bytes to and from Earth Engine, of what is left to do.
        written: Bytes of the finished run's files by kind: "raw" and "examples", or "map"; empty where not known.
        pace: How fast it goes, or None where no latency is known.
        here: How long it takes on this machine, or None.
        dataflow: How long it takes on Dataflow, or None.
        cost: What Earth Engine counts, of what is left to do, or None where not known.
        settings: What was asked of the plan.
        planned: What it is made of, for its map.
    """

    command: str
    title: str
    output: str | None
    endpoint: Endpoint
    exact: bool
    whole: Count
    left: Count | None
    counting: int
    splits: dict[str, int] | None
    trial: Trial | None
    traffic: Traffic
    written: dict[str, int]
    pace: Pace | None
    here: Duration | None
    dataflow: DataflowTime | None
    cost: Cost | None
    settings: PlanSettings
    planned: Planned = field(repr=False)

    @property
    def to_do(self) -> Count:
        """What is left, or all."""
        return self.whole if self.left is None else self.left

    @property
    def limits(self) -> list[Limit]:
        """What the run was asked to be held against."""
        found = {} if self.settings.tier is None else {f"tier {self.settings.tier}": TIERS[self.settings.tier]}
        hours: dict[str, float] = dict(found)
        if self.settings.budget is not None:
            hours["budget"] = self.settings.budget
        return [Limit(name, most, self.share_of(most)) for name, most in hours.items()]

    @property
    def is_within(self) -> bool:
        """Whether it stays within all limits; without any it does."""
        return all(limit.is_kept for limit in self.limits)

    def share_of(self, hours: float) -> float | None:
        """Share of some EECU-hours that the run takes, or None where its cost is not known."""
        return None if self.cost is None else self.cost.hours / hours

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON; what is not known is None."""
        trial = None if self.trial is None else {**asdict(self.trial), "latency": self.trial.latency}
        pace = None if self.pace is None else {**asdict(self.pace), "requests_per_second": self.pace.rate}
        here = None if self.here is None else asdict(self.here)
        return {
            "version": VERSION,
            "command": self.command,
            "title": self.title,
            "output": self.output,
            "endpoint": self.endpoint.url,
            "exact": self.exact,
            "whole": asdict(self.whole),
            "left": None if self.left is None else asdict(self.left),
            "counting_requests": self.counting,
            "splits": self.splits,
            "bytes": {"sent": self.traffic.sent, "received": self.traffic.received, "written": dict(self.written)},
            "trial": trial,
            "pace": pace,
            "here": here,
            "dataflow": self._dataflow_dict(),
            "eecu": None if self.cost is None else asdict(self.cost),
            "tiers": {name: {"hours_a_month": most, "share": self.share_of(most)} for name, most in TIERS.items()},
            "limits": [{**asdict(limit), "is_kept": limit.is_kept} for limit in self.limits],
            "is_within": self.is_within,
            "notes": self.notes(),
        }

    def _dataflow_dict(self) -> dict[str, Any] | None:
        if self.dataflow is None:
            return None
        found = self.dataflow
        return {
            "machine_type": found.machines.kind,
            "machines": found.machines.number,
            "processes": found.machines.all_processes,
            "seconds": found.seconds,
            "limit": found.limit,
            "worker_hours": found.worker_hours,
        }

    def notes(self) -> list[str]:
        """What has to be known with the numbers."""
        from rsbot_beam.runs.plan_notes import notes_of

        return notes_of(self)

    def table(self) -> str:
        """The plan as text."""
        from rsbot_beam.runs.plan_table import table_of

        return table_of(self)

    def _repr_html_(self) -> str:
        from rsbot_beam.runs.plan_table import html_of

        return html_of(self)
