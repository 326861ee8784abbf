"""The event loop, by itself: descriptors, timers, deferred callbacks."""

from harness import micro
from harness.runner import Suite

PROGRAMS = {
    "Percore": "loop_percore",
    "libevent": "loop_libevent",
    "libuv": "loop_libuv",
    "Asio": "loop_asio",
}

# These take longer to make than all the rest to measure, and under an instruction
# counter twenty times as long.
LARGE = ("/1000000", "/9000", "/20000")
# Most of what an instruction counter would see is not what is measured.
BY_TIME = ("timer_add/", "timer_delete/", "timer_expire", "timer_rearm_hot/")


def counted_iterations(case):
    return () if case.startswith(BY_TIME) or case.endswith(LARGE) else (20, 60)


def cases(options):
    return micro.micro_cases(
        options,
        micro.programs(options.bin_folder, "runtime", PROGRAMS),
        counted_iterations,
        skipped_quick=lambda case: case.endswith(LARGE)
        or case.startswith("timer_expire"),
    )


SUITE = Suite(
    name="loop",
    title="Loop",
    text=(
        "`pipe/N`: a byte goes round N socket pairs, ten at a time (20,000 of them"
        " where the limit of descriptors lets a process have them). `cascade/N`: one"
        " byte, from pair to pair, so that every event needs a round of its own."
        " `idle_round/N`: a round with N descriptors and N timers pending, and"
        " nothing to do. Timers, with N of them pending: `timer_add_delete`: one"
        " more comes and goes; `timer_rearm`: one is put off; `timer_rearm_hot`: one"
        " of ten thousand among the N is put off; `timer_readd`: one is set to"
        " another time, earlier or later; `timer_add`, `timer_delete`: all are set,"
        " or deleted in random order; `timer_expire`, `timer_expire_equal`: all are"
        " due, and run out. `idle_timeout/N`: re-arming where all have one delay"
        " (libevent's common timeouts). `timer_fire/N`: N timers set and run out."
        " `deferred/N`, `activate/N`: N callbacks to run as soon as possible, and N"
        " events made active by hand. One operation is one event, timer, callback or"
        " round."
    ),
    metrics=[micro.CPU_TIME, micro.INSTRUCTIONS],
    cases=cases,
    seconds=0.2,
    quick_seconds=0.03,
)
