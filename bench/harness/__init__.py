"""How benchmarks are run: machine, servers, load, counting, and results.

The suites in bench/suites/ say what is measured; `bench/run` is the program.
"""
