"""A strict reader of Prometheus' text format (0.0.4), for tests: whatever is doubtful is an error."""

import math
import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (\S.*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


@dataclass
class Family:
    kind: str
    help: str
    samples: dict = field(default_factory=dict)  # (name, labels as a sorted tuple) -> value


def number(text):
    if not re.fullmatch(r"[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Inf)|NaN", text):
        raise ValueError(f"no number: {text}")
    return float(text)


def labels_of(text):
    labels, rest = [], text or ""
    while rest:
        match = LABEL.match(rest)
        if not match:
            raise ValueError(f"no labels: {text}")
        labels.append((match[1], re.sub(r"\\(.)", lambda one: {"n": "\n"}.get(one[1], one[1]), match[2])))
        rest = rest[match.end():]
        if match[3] == "," and not rest:
            raise ValueError(f"a comma at the end: {text}")
    if len({name for name, _ in labels}) != len(labels):
        raise ValueError(f"a label twice: {text}")
    return tuple(sorted(labels))


def check_histogram(name, family):
    series = {}
    for (sample, labels), value in family.samples.items():
        key = tuple(one for one in labels if one[0] != "le")
        series.setdefault(key, {})[(sample[len(name):], dict(labels).get("le"))] = value
    for key, samples in series.items():
        buckets = [(number(bound), value) for (suffix, bound), value in samples.items() if suffix == "_bucket"]
        if buckets != sorted(buckets) or buckets[-1][0] != math.inf:
            raise ValueError(f"{name}{key}: buckets out of order: {buckets}")
        if [value for _, value in buckets] != sorted(value for _, value in buckets):
            raise ValueError(f"{name}{key}: buckets that shrink")
        if samples[("_count", None)] != buckets[-1][1] or ("_sum", None) not in samples or len(samples) != len(buckets) + 2:
            raise ValueError(f"{name}{key}: {samples}")


def parse(text):
    """{name of a family: Family}. ValueError where the text is not exactly what the format asks for."""
    if not text.endswith("\n"):
        raise ValueError("no line end at the end")
    families, name, helped = {}, None, None
    for line in text[:-1].split("\n"):
        if match := HELP.fullmatch(line):
            if helped is not None:
                raise ValueError(f"two helps: {line}")
            helped = match
        elif match := TYPE.fullmatch(line):
            name = match[1]
            if helped is None or helped[1] != name or name in families:
                raise ValueError(f"no help, or a family twice: {line}")
            families[name], helped = Family(match[2], helped[2]), None
        elif (match := SAMPLE.fullmatch(line)) and helped is None and name:
            family, value = families[name], number(match[3])
            suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
            if match[1] not in [name + suffix for suffix in suffixes]:
                raise ValueError(f"not of family {name}: {line}")
            key = (match[1], labels_of(match[2]))
            if key in family.samples:
                raise ValueError(f"a sample twice: {line}")
            if family.kind != "gauge" and value < 0:
                raise ValueError(f"below zero: {line}")
            family.samples[key] = value
        else:
            raise ValueError(f"not of the format: {line}")
    for name, family in families.items():
        if family.kind == "histogram":
            check_histogram(name, family)
        if (family.kind == "counter") != name.endswith("_total"):
            raise ValueError(f"{name}: a counter ends with _total, and nothing else does")
    return families


class Scrape:
    """What one look at /metrics has told."""

    def __init__(self, answer):
        if answer.status != 200 or answer.header("Content-Type") != "text/plain; version=0.0.4; charset=utf-8":
            raise ValueError(f"{answer.status} {answer.headers}: {answer.text[:300]}")
        self.families = parse(answer.text)

    def __call__(self, name, default=None, **labels):
        """The value of one sample."""
        wanted = tuple(sorted(labels.items()))
        for family in self.families.values():
            if (name, wanted) in family.samples:
                return family.samples[(name, wanted)]
        if default is None:
            raise LookupError(f"{name}{labels} is not there")
        return default

    def series(self):
        return {key for family in self.families.values() for key in family.samples}
