"""What is measured. Each module defines SUITE; ALL has them in order."""

from suites import (
    buffer,
    cache_server,
    churn,
    echo,
    generator,
    idle,
    latency,
    loop,
    messages,
    metrics,
    rate_cost,
    rate_fairness,
    self_test,
    udp,
)

ALL = [
    module.SUITE
    for module in (
        self_test,
        generator,
        loop,
        messages,
        buffer,
        echo,
        latency,
        churn,
        idle,
        cache_server,
        rate_cost,
        rate_fairness,
        metrics,
        udp,
    )
]
