"""Compares two commits of Percore by instructions, which are repeatable.

The programs of bench/ are today's for both, so that what differs is the library.
Instructions are counted in user space, by callgrind; how long something takes,
and what the kernel does, is not seen here.
"""

import os
import shutil
import subprocess

from harness import micro, servers
from harness.runner import Options
from harness.server_case import ServerCase

# More than this is a regression. Counts of the same code differ by far less:
# micro-benchmarks not at all, servers by what happens to arrive together.
TOLERANCE = 0.02

MICRO = {
    "loop": ("runtime", "loop_percore"),
    "buffer": ("buffer", "buffer_percore"),
}
TARGETS = [
    *("//bench/%s:%s" % program for program in MICRO.values()),
    "//examples:cache_server",
    "//examples:echo_server",
]

# Today's, in the other commit's tree: what measures, and how it is built.
YARDSTICK = ("bench", "third_party", "tools", "WORKSPACE", ".bazelrc")


def compare(root, bin_folder, commit):
    """Prints a table; returns 1 if there is a regression, else 0."""
    for tool in ("git", "bazel", "valgrind"):
        if not shutil.which(tool):
            raise SystemExit("bench: --against needs %s" % tool)
    identity = resolve(root, commit)
    other_bin_folder = build(root, identity)
    print("instructions by operation or request, here and in %s:" % identity[:12])
    regressions = 0
    other_counters = counters(other_bin_folder, bin_folder)
    for name, count in sorted(counters(bin_folder, bin_folder).items()):
        here = count()
        other_count = other_counters.get(name)
        if other_count is None:
            print("  %-34s %12.1f %12s" % (name, here, "-"), flush=True)
            continue
        there = other_count()
        change = here / there - 1
        regressions += change > TOLERANCE
        print(
            "  %-34s %12.1f %12.1f %+7.1f%%  %s"
            % (name, here, there, 100 * change, judge(change)),
            flush=True,
        )
    print(
        "%d regression%s (more than %d%%)"
        % (regressions, "s" * (regressions != 1), 100 * TOLERANCE)
    )
    return 1 if regressions else 0


def judge(change):
    if change > TOLERANCE:
        return "REGRESSION"
    return "better" if change < -TOLERANCE else ""


def resolve(root, commit):
    done = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", commit + "^{commit}"],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit("bench: --against: there is no commit %s here" % commit)
    return done.stdout.strip()


def build(root, identity):
    """Builds the commit in a folder of its own; returns where its programs are."""
    folder = os.path.join(root, ".dev", "against")
    if os.path.exists(folder):
        git(root, "worktree", "remove", "--force", folder)
    git(root, "worktree", "prune")
    git(root, "worktree", "add", "--quiet", "--detach", folder, identity)
    for name in YARDSTICK:
        overlay(os.path.join(root, name), os.path.join(folder, name))
    print("building %s ..." % identity[:12], flush=True)
    bin_folder = bazel(folder, "info", "--config=opt", "bazel-bin").stdout.strip()
    for target in TARGETS:
        # One of an earlier comparison must not be taken for this one's.
        path = os.path.join(bin_folder, target.strip("/").replace(":", "/"))
        if os.path.exists(path):
            os.remove(path)
    # What cannot be built with today's benchmarks is not compared.
    bazel(folder, "build", "--config=opt", "--keep_going", *TARGETS)
    bazel(folder, "shutdown")
    return bin_folder


def bazel(folder, *arguments):
    return subprocess.run(
        ["bazel", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def git(root, *arguments):
    subprocess.run(["git", *arguments], cwd=root, check=True)


def overlay(source, target):
    if os.path.isdir(source):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def counters(bin_folder, load_bin_folder):
    """What can be counted there: functions by the names of their cases."""
    options = Options(load_bin_folder, quick=False, rounds=1, seconds=1)
    found = {}
    for suite, (folder, program_name) in MICRO.items():
        (program,) = micro.programs(bin_folder, folder, {"": program_name})
        if not os.path.exists(program.path):
            continue
        for case in micro.list_cases(program):
            if not case.endswith("/1000000"):
                found["%s %s" % (suite, case)] = micro_counter(options, program, case)
    for kind, flags in server_loads(bin_folder):
        if os.path.exists(kind.program):
            for depth in (1, 16):
                name = "%s, depth %d" % (os.path.basename(kind.program), depth)
                found[name] = server_counter(
                    options, name, kind, {**flags, "depth": depth}
                )
    return found


def micro_counter(options, program, name):
    case = micro.MicroCase(options, name, [program], iterations=(20, 60))
    return lambda: case.instructions(program)


def server_counter(options, name, kind, flags):
    # One connection: its rounds are alike, however fast anybody is.
    case = ServerCase(options, name, [kind], {"connections": 1, **flags})
    return lambda: case.instructions(kind)


def server_loads(bin_folder):
    return [
        (servers.percore_echo(bin_folder), {"message_size": 64}),
        (servers.percore_cache(bin_folder), {"keys": 100, "value_size": 100}),
    ]
