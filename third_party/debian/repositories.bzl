"""Debian's packages as external repositories, under the labels of their own projects.

A repository made here holds no sources: the headers lie in the compiler's own
search path (/usr/include), so a target only carries what must be linked.
"""

_TARGET = """
cc_library(
    name = "{name}",
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _debian_library_impl(ctx):
    for header in ctx.attr.needs:
        if not ctx.path(header).exists:
            fail("%s is missing: install the Debian package %s (./dev does)" % (header, ctx.attr.package))

    packages = {}
    for label, linkopts in ctx.attr.targets.items():
        package, name = label.split(":")
        packages.setdefault(package, []).append(
            _TARGET.format(name = name, linkopts = repr(linkopts)),
        )
    for package, rules in packages.items():
        path = package + "/BUILD.bazel" if package else "BUILD.bazel"
        text = "load(\"@rules_cc//cc:defs.bzl\", \"cc_library\")\n" + "".join(rules)
        ctx.file(path, text, executable = False)
    if "" not in packages:
        ctx.file("BUILD.bazel", "", executable = False)

debian_library = repository_rule(
    doc = "A repository whose targets link a library that Debian has installed.",
    implementation = _debian_library_impl,
    local = True,
    attrs = {
        "needs": attr.string_list(doc = "Files that show the package is installed."),
        "package": attr.string(doc = "The Debian package, for the error message."),
        "targets": attr.string_list_dict(doc = "'package:name' to the link options of that target."),
    },
)

# The static libraries of Debian's Abseil, as one link group: the linker takes
# from them what is used, so each target may name them all.
_ABSL_LIBRARIES = [
    "bad_any_cast_impl",
    "bad_optional_access",
    "bad_variant_access",
    "base",
    "city",
    "civil_time",
    "cord",
    "cord_internal",
    "cordz_functions",
    "cordz_handle",
    "cordz_info",
    "cordz_sample_token",
    "debugging_internal",
    "demangle_internal",
    "examine_stack",
    "exponential_biased",
    "flags_commandlineflag",
    "flags_commandlineflag_internal",
    "flags_config",
    "flags_internal",
    "flags_marshalling",
    "flags_parse",
    "flags_private_handle_accessor",
    "flags_program_name",
    "flags_reflection",
    "flags_usage",
    "flags_usage_internal",
    "graphcycles_internal",
    "hash",
    "hashtablez_sampler",
    "int128",
    "log_severity",
    "low_level_hash",
    "malloc_internal",
    "raw_hash_set",
    "raw_logging_internal",
    "spinlock_wait",
    "stacktrace",
    "status",
    "statusor",
    "str_format_internal",
    "strerror",
    "strings",
    "strings_internal",
    "symbolize",
    "synchronization",
    "throw_delegate",
    "time",
    "time_zone",
]

_ABSL_LINKOPTS = (
    ["-Wl,--start-group"] +
    ["-l:libabsl_%s.a" % library for library in _ABSL_LIBRARIES] +
    ["-Wl,--end-group", "-pthread"]
)

_ABSL_TARGETS = [
    "absl/container:flat_hash_map",
    "absl/container:flat_hash_set",
    "absl/flags:config",
    "absl/flags:flag",
    "absl/flags:marshalling",
    "absl/flags:parse",
    "absl/flags:usage",
    "absl/functional:any_invocable",
    "absl/functional:function_ref",
    "absl/hash:hash",
    "absl/hash:hash_testing",
    "absl/status:status",
    "absl/status:statusor",
    "absl/strings:cord",
    "absl/strings:str_format",
    "absl/strings:strings",
    "absl/time:time",
]

def debian_repositories():
    """Declares every external library of Percore from Debian 12's packages."""
    debian_library(
        name = "com_google_absl",
        needs = ["/usr/include/absl/base/config.h"],
        package = "libabsl-dev",
        targets = {target: _ABSL_LINKOPTS for target in _ABSL_TARGETS},
    )
    debian_library(
        name = "com_google_googletest",
        needs = ["/usr/include/gtest/gtest.h", "/usr/include/gmock/gmock.h"],
        package = "libgtest-dev and libgmock-dev",
        targets = {
            ":gtest": ["-lgmock", "-lgtest", "-pthread"],
            ":gtest_main": ["-lgmock_main", "-lgmock", "-lgtest", "-pthread"],
        },
    )
    debian_library(
        name = "com_github_google_benchmark",
        needs = ["/usr/include/benchmark/benchmark.h"],
        package = "libbenchmark-dev",
        targets = {
            ":benchmark": ["-lbenchmark", "-pthread"],
            ":benchmark_main": ["-lbenchmark_main", "-lbenchmark", "-pthread"],
        },
    )
    debian_library(
        name = "com_github_jupp0r_prometheus_cpp",
        needs = ["/usr/include/prometheus/collectable.h"],
        package = "prometheus-cpp-dev",
        targets = {
            "core:core": ["-lprometheus-cpp-core"],
            "pull:pull": ["-lprometheus-cpp-pull", "-lprometheus-cpp-core"],
        },
    )
    debian_library(
        name = "openssl",
        needs = ["/usr/include/openssl/ssl.h"],
        package = "libssl-dev",
        targets = {
            ":crypto": ["-lcrypto"],
            ":ssl": ["-lssl", "-lcrypto"],
        },
    )
    debian_library(
        name = "libevent",
        needs = ["/usr/include/event2/event.h"],
        package = "libevent-dev",
        targets = {
            ":event_core": ["-levent_core"],
            ":event_pthreads": ["-levent_pthreads", "-levent_core", "-pthread"],
        },
    )
    debian_library(
        name = "libuv",
        needs = ["/usr/include/uv.h"],
        package = "libuv1-dev",
        targets = {":libuv": ["-luv"]},
    )
    debian_library(
        name = "asio",
        needs = ["/usr/include/asio.hpp"],
        package = "libasio-dev",
        targets = {":asio": ["-pthread"]},
    )
    debian_library(
        name = "liburing",
        needs = ["/usr/include/liburing.h"],
        package = "liburing-dev",
        targets = {":liburing": ["-luring"]},
    )
    debian_library(
        name = "jemalloc",
        needs = ["/usr/include/jemalloc/jemalloc.h"],
        package = "libjemalloc-dev",
        targets = {":jemalloc": ["-ljemalloc"]},
    )
    debian_library(
        name = "zlib",
        needs = ["/usr/include/zlib.h"],
        package = "zlib1g-dev",
        targets = {":zlib": ["-lz"]},
    )
