"""The part of rules_cc that Percore's own rules use."""

load("//cc:native.bzl", "native_cc_common")

cc_common = native_cc_common
