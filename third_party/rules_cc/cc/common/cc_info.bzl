"""The part of rules_cc that Percore's own rules use."""

load("//cc:native.bzl", "NativeCcInfo")

CcInfo = NativeCcInfo
