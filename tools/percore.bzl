"""The rules every folder of Percore is built with."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//tools:precompiled_header.bzl", "precompiled_header")

# Warnings are errors on our code only; what we depend on has its own ideas.
_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
]

# Reading what it includes is two thirds of compiling a source of ours: 1.6 of
# 2.4 s, on average. So each begins with a header that is compiled once, and
# includes what it uses nevertheless. Only GCC, and only in our own workspace (see
# .bazelrc): who depends on Percore gets plain rules.
def _begins_with(header):
    return select({
        "//tools:precompiles": [
            "-include",
            header,
            # Else Bazel does not see that the source depends on it.
            "-fpch-deps",
            # It costs time, and no more.
            "-Winvalid-pch",
            "-Wno-error=invalid-pch",
        ],
        "//conditions:default": [],
    })

def _precompiled(target):
    return select({
        "//tools:precompiles": [target],
        "//conditions:default": [],
    })

_PRECOMPILED_COPTS = _begins_with("common_headers.h")
_PRECOMPILED_DEPS = _precompiled("//tools:precompiled_common_headers")
_PRECOMPILED_TEST_COPTS = _begins_with("gtest_headers.h")
_PRECOMPILED_TEST_DEPS = _precompiled("//tests/support:gtest_precompiled")

# Three quarters of compiling Percore were its tests, and most of that gtest's
# templates. What is tested is optimized as everywhere else; the test itself is
# not.
_TEST_COPTS = _COPTS + [
    "-O0",
    # It needs optimization.
    "-U_FORTIFY_SOURCE",
] + select({
    # A null pointer crashes without them. Together they were a quarter of
    # compiling a test: 2.0 of 7.2 s.
    "//third_party/sanitizers:asan": ["-fno-sanitize=null,alignment"],
    "//conditions:default": [],
})

# In every program: what sanitizers are to know.
_PROGRAM_DEPS = ["//third_party/sanitizers"]

def _library(name, hdrs = [], **kwargs):
    cc_library(
        name = name,
        hdrs = hdrs,
        # No .so, which nobody links, beside the archive.
        linkstatic = True,
        strip_include_prefix = "/" + native.package_name(),
        include_prefix = "percore/" + native.package_name(),
        **kwargs
    )
    native.filegroup(
        name = name + "_headers",
        srcs = hdrs,
        visibility = ["//visibility:public"],
    )

def percore_library(name, copts = [], deps = [], **kwargs):
    """A library whose headers are included as "percore/<folder>/<header>".

    Its headers are also the group of files `name`_headers.
    """
    _library(
        name = name,
        copts = _COPTS + _PRECOMPILED_COPTS + copts,
        deps = deps + _PRECOMPILED_DEPS,
        **kwargs
    )

def percore_binary(name, copts = [], deps = [], **kwargs):
    """A program."""
    cc_binary(
        name = name,
        copts = _COPTS + _PRECOMPILED_COPTS + copts,
        deps = deps + _PRECOMPILED_DEPS + _PROGRAM_DEPS,
        **kwargs
    )

def percore_test(name, copts = [], deps = [], size = "small", **kwargs):
    """A gtest program with gtest's own main."""
    cc_test(
        name = name,
        copts = _TEST_COPTS + _PRECOMPILED_TEST_COPTS + copts,
        size = size,
        deps = deps + _PRECOMPILED_TEST_DEPS + _PROGRAM_DEPS +
               ["@com_google_googletest//:gtest_main"],
        **kwargs
    )

def percore_test_on(backend, test, data = [], **kwargs):
    """The same program once more, with loops on `backend` where none is named.

    Without it, shards' loops are on io_uring and others on epoll.
    """

    # buildifier: disable=native-sh-test
    native.sh_test(
        name = test + "_on_" + backend,
        srcs = ["//tools:run_test.sh"],
        args = ["$(location :%s)" % test],
        data = data + [":" + test],
        env = {"PERCORE_NOIO_URING" if backend == "epoll" else "PERCORE_NOEPOLL": "1"},
        **kwargs
    )

def percore_test_library(name, copts = [], deps = [], **kwargs):
    """A percore_library for tests, compiled as they are.

    Not for what takes long to run.
    """
    _library(
        name = name,
        testonly = True,
        copts = _TEST_COPTS + _PRECOMPILED_TEST_COPTS + copts,
        deps = deps + _PRECOMPILED_TEST_DEPS,
        **kwargs
    )

def percore_common_header(name, header, deps, **kwargs):
    """The header that every percore_library and percore_binary begins with."""
    precompiled_header(
        name = name,
        copts = _COPTS,
        header = header,
        deps = deps,
        **kwargs
    )

def percore_test_header(name, header, deps):
    """The header that every percore_test begins with."""
    precompiled_header(
        name = name,
        testonly = True,
        copts = _TEST_COPTS,
        header = header,
        deps = deps,
    )

def percore_fuzz_target(name, deps, copts = []):
    """A program for libFuzzer, made of the source `name`.cc.

    It needs clang and --config=fuzz, and is built by name only.
    """
    percore_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        copts = copts,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
