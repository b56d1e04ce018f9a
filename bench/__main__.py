"""script/bench [name]: every benchmark, or one; a line each: name, ratio, floor; exit status 1 under a floor."""

import sys

from bench import exports, filters, first, knowledge, maps, pages, routing, scorecards
from bench.rig import BenchFailed, rig

BENCHMARKS = {
    **first.BENCHMARKS,
    **routing.BENCHMARKS,
    **knowledge.BENCHMARKS,
    **filters.BENCHMARKS,
    **maps.BENCHMARKS,
    **scorecards.BENCHMARKS,
    **exports.BENCHMARKS,
    **pages.BENCHMARKS,
}


def main(names: list[str]) -> int:
    """Run the benchmarks named, or all; 0 when every ratio reaches its floor."""
    if "--help" in names or not set(names) <= set(BENCHMARKS):
        print(f"usage: script/bench [{' | '.join(BENCHMARKS)}]", file=sys.stderr)
        return 0 if "--help" in names else 2
    held = True
    try:
        with rig() as stand:
            for name in names or BENCHMARKS:
                benchmark = BENCHMARKS[name]
                ratio = benchmark.run(stand)
                held = held and ratio >= benchmark.floor
                print(f"{name} {ratio:.3f} {benchmark.floor}", flush=True)
    except BenchFailed as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
