"""What Bazel 4 has built in, under names that a file can export as its own."""

native_cc_common = cc_common  # buildifier: disable=native-cc-common
NativeCcInfo = CcInfo  # buildifier: disable=native-cc-info
