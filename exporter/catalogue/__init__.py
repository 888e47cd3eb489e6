"""Every metric family there is, as data; the tables say by what it is made."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from exporter.catalogue.counters import COUNTERS
from exporter.catalogue.current import CURRENT
from exporter.catalogue.historical import HISTORICAL
from exporter.catalogue.information import INFORMATION
from exporter.catalogue.own import OWN
from exporter.catalogue.spec import Spec

ALL: tuple[Spec, ...] = (*CURRENT, *HISTORICAL, *COUNTERS, *INFORMATION, *OWN)

by_name: Mapping[str, Spec] = MappingProxyType({spec.name: spec for spec in ALL})
"""Family name, with `_total` for counters, to its Spec."""

__all__ = ["ALL", "COUNTERS", "CURRENT", "HISTORICAL", "INFORMATION", "OWN", "by_name"]
