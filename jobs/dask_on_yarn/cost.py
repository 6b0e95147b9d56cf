"""An estimate of what a job's containers cost, from YARN's own accounting."""

from __future__ import annotations

from dataclasses import dataclass

MB_PER_GIB = 1024
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class CostEstimate:
    """Amounts in the currency of the prices.

    It is an estimate: it covers the containers' share of the machines for the time YARN counted, not the master, idle
    nodes, disks or the Dataproc fee, and no discounts. ``amount`` is None when no price was given.
    """

    vcore_hours: float
    gib_hours: float
    price_vcore_hour: float | None
    price_gib_hour: float | None
    amount: float | None
    label: str = "estimate"

    def __str__(self) -> str:
        """Return one line for people, with the prices it was computed from."""
        used = f"{self.vcore_hours:.2f} vcore-hours and {self.gib_hours:.2f} GiB-hours"
        if self.amount is None:
            return f"{used} (no prices given)"
        prices = f"{self.price_vcore_hour or 0:g} per vcore-hour, {self.price_gib_hour or 0:g} per GiB-hour"
        return f"estimated cost {self.amount:.4f}: {used} at {prices}"


def estimate(
    memory_mb_seconds: int,
    vcore_seconds: int,
    price_vcore_hour: float | None = None,
    price_gib_hour: float | None = None,
) -> CostEstimate:
    """Estimate the cost of YARN's MB-seconds (MiB) and vcore-seconds; a price that is None counts as zero."""
    vcore_hours = vcore_seconds / SECONDS_PER_HOUR
    gib_hours = memory_mb_seconds / MB_PER_GIB / SECONDS_PER_HOUR
    amount = None
    if price_vcore_hour is not None or price_gib_hour is not None:
        amount = round(vcore_hours * (price_vcore_hour or 0.0) + gib_hours * (price_gib_hour or 0.0), 6)
    return CostEstimate(round(vcore_hours, 6), round(gib_hours, 6), price_vcore_hour, price_gib_hour, amount)
