"""The event loop, by itself: descriptors, timers, deferred callbacks."""

from harness import micro
from harness.runner import Suite

PROGRAMS = {
    "Percore": "loop_percore",
    "libevent": "loop_libevent",
    "libuv": "loop_libuv",
    "Asio": "loop_asio",
}

# A million timers take longer to make than all the rest to measure.
LARGE = ("timer_add_delete/1000000", "timer_rearm/1000000")


def cases(options):
    return micro.micro_cases(
        options,
        micro.programs(options.bin_folder, "runtime", PROGRAMS),
        lambda case: (2, 6) if case in LARGE else (20, 60),
        skipped_quick=LARGE,
    )


SUITE = Suite(
    name="loop",
    title="Loop",
    text=(
        "`pipe/N`: a byte goes round N socket pairs, ten at a time. `cascade/N`: one"
        " byte, from pair to pair, so that every event needs a round of its own."
        " `timer_add_delete/N`, `timer_rearm/N`: with N timers pending."
        " `idle_timeout/N`: re-arming where all have one delay (libevent's common"
        " timeouts). `timer_fire/N`: N timers set and run out. `deferred/N`: N"
        " callbacks to run as soon as possible. One operation is one event, timer or"
        " callback."
    ),
    metrics=[micro.CPU_TIME, micro.INSTRUCTIONS],
    cases=cases,
    seconds=0.2,
    quick_seconds=0.03,
)
