"""Counts of bees: means, and days that are left out."""

from statistics import mean


def without_day(counts, day):
    """Return the counts without those of one day; the first day is 1."""
    return counts[: day - 1] + counts[day:]


def mean_visits(visits, day=None):
    """Return the mean number of visits of each flower, if wanted without a day."""
    return {
        flower: mean(counts if day is None else without_day(counts, day))
        for flower, counts in visits.items()
    }
