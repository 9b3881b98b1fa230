"""Comparing two ways of doing the same thing on a machine that is never quiet.

Samples of both are taken in turns in one run. The figure of each is the mean of its faster half (noise only ever adds
time, and on a virtual machine it adds much, to few); the ratio of two such figures gets a 95 % interval by bootstrap.
Standard library only. `python3 stats.py` tests itself.
"""
import random
import statistics

RESAMPLES = 2000


def faster_half(values):
    """The mean of the faster half (rounded up)."""
    ordered = sorted(values)
    return statistics.fmean(ordered[:(len(ordered) + 1) // 2])


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _interval(a, b, combine, seed):
    """95 % interval of combine(figure of a, figure of b); deterministic for the same samples."""
    source = random.Random(seed)
    results = sorted(combine(faster_half(source.choices(a, k=len(a))), faster_half(source.choices(b, k=len(b))))
                     for _ in range(RESAMPLES))
    return results[int(RESAMPLES * 0.025)], results[int(RESAMPLES * 0.975) - 1]


def compare(values, baseline, seed=1):
    """{figure, baseline, ratio, ratio_low, ratio_high, added, added_low, added_high, n, p90}: times in the unit of the samples."""
    if not values or not baseline:
        raise ValueError("no samples")
    figure, base = faster_half(values), faster_half(baseline)
    ratio = _interval(values, baseline, lambda a, b: a / b, seed)
    added = _interval(values, baseline, lambda a, b: a - b, seed)
    return {"figure": figure, "baseline": base, "n": len(values), "p90": percentile(values, 0.9),
            "baseline_p90": percentile(baseline, 0.9),
            "ratio": figure / base, "ratio_low": ratio[0], "ratio_high": ratio[1],
            "added": figure - base, "added_low": added[0], "added_high": added[1]}


def _self_test():
    assert faster_half([5, 1, 3, 100]) == 2 and faster_half([7]) == 7
    assert percentile(range(10), 0.9) == 9
    noise = random.Random(7)
    sample = lambda mean: [mean + noise.expovariate(1 / (0.1 * mean)) for _ in range(40)]
    same = compare(sample(100), sample(100))
    assert 0.95 < same["ratio_low"] < same["ratio"] < same["ratio_high"] < 1.05, same
    slower = compare(sample(120), sample(100))
    assert 1.1 < slower["ratio"] < 1.3 and slower["ratio_low"] > 1.05, slower
    assert slower["added_low"] > 15 and slower["added_high"] < 28, slower
    assert compare([1, 2, 3], [1, 2, 3]) == compare([1, 2, 3], [1, 2, 3])
    print("stats: ok")


if __name__ == "__main__":
    _self_test()
