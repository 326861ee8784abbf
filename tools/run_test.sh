#!/bin/sh
# Runs a test's program; what differs is the environment that its rule has set.
exec "$@"
