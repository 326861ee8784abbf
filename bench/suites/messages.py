"""Messages between two loops on two CPUs."""

from harness import micro
from harness.runner import Suite

PROGRAMS = {
    "Percore": "messages_percore",
    "Percore io_uring": "messages_percore_io_uring",
    "libevent": "messages_libevent",
    "libuv": "messages_libuv",
    "Asio": "messages_asio",
}


def cases(options):
    return micro.micro_cases(
        options,
        micro.programs(options.bin_folder, "runtime", PROGRAMS),
        # Who waits for whom varies, and with it the number of instructions.
        lambda case: (),
        threads=2,
    )


SUITE = Suite(
    name="messages",
    title="Messages between shards",
    text=(
        "Two loops in two threads, each with a CPU of its own. `ping_pong`: a message"
        " goes to the other loop and back; one operation is a round trip. `stream`:"
        " messages in bursts of 100, at most four bursts under way; one operation is"
        " one message. libevent and libuv have no queue of their own: theirs is a"
        " vector behind a mutex, and `event_active()` or `uv_async_send()` to wake"
        " the receiver. CPU time is that of both threads."
    ),
    metrics=[micro.CPU_TIME, micro.REAL_TIME],
    cases=cases,
    seconds=0.5,
    quick_seconds=0.1,
)
