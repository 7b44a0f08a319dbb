"""A plan as a table: on a terminal, and in a notebook."""

from __future__ import annotations

import html
import textwrap
from typing import TYPE_CHECKING

from rsbot_beam.runs.estimate import HOUR
from rsbot_beam.runs.plan_settings import TIERS

if TYPE_CHECKING:
    from rsbot_beam.runs.plan_report import Limit, PlanReport

Row = tuple[str, str]
Section = tuple[str, list[Row]]
UNKNOWN = "not known"
_WIDTH = 118
_NAME = 20
_LIMITS = {
    "latency": "no more requests may be in flight",
    "qps": "no more may start a second",
    "computing": "as fast as it is computed",
}
_FILES = {"raw": "raw shards", "examples": "TFRecords", "map": "files of the map"}


def table_of(report: PlanReport) -> str:
    """The plan as text, with what has to be known below it."""
    lines = _wrapped("", f"plan of rsbot {report.command}: {report.title}, from {report.endpoint.url}")
    for heading, rows in sections(report):
        lines += ["", heading]
        for name, value in rows:
            lines += _wrapped(f"  {name:{_NAME}}", value)
    notes = [line for note in report.notes() for line in _wrapped("- ", note)]
    return "\n".join(lines + (["", *notes] if notes else []) + ["", *verdicts(report)]).rstrip()


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=start, subsequent_indent=" " * len(start)) or [start.rstrip()]


def html_of(report: PlanReport) -> str:
    """The plan as an HTML table, for notebooks; all texts are escaped."""
    rows = []
    for heading, found in sections(report):
        rows.append(f'<tr><th colspan="2" style="text-align:left">{html.escape(heading)}</th></tr>')
        rows += [
            f'<tr><td style="text-align:left">{html.escape(name)}</td>'
            f'<td style="text-align:left">{html.escape(value)}</td></tr>'
            for name, value in found
        ]
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes())
    told = "".join(f"<p><b>{html.escape(line)}</b></p>" for line in verdicts(report))
    title = html.escape(f"rsbot {report.command}: {report.title}")
    return f"<div><p>{title}</p><table>{''.join(rows)}</table>{told}<ul>{notes}</ul></div>"


def sections(report: PlanReport) -> list[Section]:
    """Headings with their lines."""
    return [
        ("tiles and requests", _counts(report)),
        ("tried", _tried(report)),
        ("bytes", _bytes(report)),
        ("time", _time(report)),
        ("Earth Engine's account", _account(report)),
    ]


def verdicts(report: PlanReport) -> list[str]:
    """Whether the run stays within each limit, in words that cannot be overlooked where it does not."""
    return [_verdict(report, limit) for limit in report.limits]


def _verdict(report: PlanReport, limit: Limit) -> str:
    what = f"{limit.name}, {limit.hours:g} EECU-hours{'' if limit.name == 'budget' else ' a month'}"
    if limit.share is None or report.cost is None:
        return f"CANNOT BE COMPARED with {what}: what the run costs is not known"
    if limit.is_kept:
        return f"within {what}: {_share(limit.share)}"
    return f"OVER {what}: the run takes {_figure(report.cost.hours)} EECU-hours, {limit.share:,.1f} times as much"


def _counts(report: PlanReport) -> list[Row]:
    whole, most = report.whole, "" if report.exact else "at most "
    splits = ", ".join(f"{name} {number:,}" for name, number in (report.splits or {}).items())
    counting = f", after {report.counting:,} that look for classes" if report.counting else ""
    rows = [
        ("tiles", f"{most}{whole.tiles:,}{f' ({splits})' if splits else ''}"),
        ("blocks" if report.command == "predict" else "shards", f"{most}{whole.shards:,}"),
        ("requests for pixels", f"{most}{whole.requests:,}{counting}"),
    ]
    if report.left is not None:
        left = report.left
        rows.append(("left to do", f"{left.tiles:,} tiles, {left.requests:,} requests"))
    return rows


def _tried(report: PlanReport) -> list[Row]:
    trial = report.trial
    if trial is None:
        return [("places", "none")]
    empty = f"{trial.empty:,} of them empty ({100 * (1 - trial.filled):.3g} %)"
    rows = [("places", f"{trial.places} with {trial.tiles:,} tiles, {empty}, in {trial.requests} requests")]
    if trial.latency is not None:
        spread = f"{min(trial.latencies):.3g} to {max(trial.latencies):.3g} s"
        rows.append(("a request", f"{trial.latency:.3g} s ({spread}, {trial.in_flight} in flight)"))
    return rows


def _bytes(report: PlanReport) -> list[Row]:
    rows = [("sent", size_text(report.traffic.sent)), ("received", size_text(report.traffic.received))]
    kinds = report.written or dict.fromkeys(["map"] if report.command == "predict" else ["raw"], -1)
    rows += [(_FILES[kind], size_text(n) if n >= 0 else UNKNOWN) for kind, n in kinds.items()]
    return rows


def _time(report: PlanReport) -> list[Row]:
    endpoint, pace = report.endpoint, report.pace
    quota = f"{endpoint.max_requests} requests in flight, {endpoint.max_qps:g} a second"
    if pace is None:
        return [("quota", quota), ("here", f"{UNKNOWN}: give --latency, or try some tiles")]
    given = " (given)" if report.settings.latency is not None else ""
    rows = [("quota", f"{quota}: at {pace.latency:.3g} s{given} for each, {_figure(pace.rate)} a second")]
    if report.here is not None:
        rows.append(("here", f"{duration_text(report.here.seconds)}: {_LIMITS[report.here.limit]}"))
    if report.dataflow is not None:
        found = report.dataflow
        machines = f"{found.machines.number:,} x {found.machines.kind}"
        took = f"{duration_text(found.seconds)}, {_figure(found.worker_hours)} worker-hours"
        rows.append(("Dataflow", f"{took} on {machines}: {_LIMITS[found.limit]}"))
    return rows


def _account(report: PlanReport) -> list[Row]:
    if report.cost is None:
        return [("EECU-seconds", "not reported by this endpoint" if report.trial is not None else UNKNOWN)]
    found = report.cost
    total = f"{_figure(found.hours * HOUR)}, or {_figure(found.hours)} EECU-hours"
    given = " (given)" if found.source == "given" else ""
    rows = [("EECU-seconds", f"{total}; {found.per_request:.3g} a request{given}")]
    names = (report.settings.tier,) if report.settings.tier else tuple(TIERS)
    for name in names:
        share = report.share_of(TIERS[name]) or 0.0
        rows.append((f"tier {name}", f"{_share(share)} of a month's {TIERS[name]:,} EECU-hours"))
    return rows


def _share(share: float) -> str:
    if share < 1e-5:
        return "under 0.001 %"
    return f"{100 * share:.3g} %" if share < 10 else f"{share:,.0f} times"


def _figure(number: float) -> str:
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def size_text(nbytes: float) -> str:
    """Bytes in the decimal unit that leaves one to three digits before the point."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if nbytes < 1000:
            return f"{nbytes:.3g} {unit}" if unit != "bytes" else f"{nbytes:.0f} bytes"
        nbytes /= 1000
    return f"{nbytes:,.3g} TB" if nbytes < 1000 else f"{nbytes:,.0f} TB"


def duration_text(seconds: float) -> str:
    """Seconds in the two largest units that say something."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    minutes += rest >= 30
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes / 60 / 24:,.1f} days"
