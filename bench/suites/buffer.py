"""Percore's Buffer beside libevent's evbuffer."""

from harness import micro
from harness.runner import Suite

PROGRAMS = {"Percore": "buffer_percore", "libevent": "buffer_libevent"}

SUITE = Suite(
    name="buffer",
    title="Buffer",
    text=(
        "Percore's `Buffer` and libevent's `evbuffer` (without locks), with the same"
        " bytes in the same order. What is appended is drained as well, within the"
        " same operation."
    ),
    metrics=[micro.CPU_TIME, micro.INSTRUCTIONS],
    cases=lambda options: micro.micro_cases(
        options,
        micro.programs(options.bin_folder, "buffer", PROGRAMS),
        lambda case: (20, 60),
    ),
    seconds=0.2,
    quick_seconds=0.03,
)
