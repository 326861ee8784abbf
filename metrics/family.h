// A metric family under construction: a name, a help text, and samples with
// labels.
//
// ```cpp
// percore::Family family("percore_widgets_total", "Widgets made.",
//                        prometheus::MetricType::Counter);
// family.Add(3, {{"shard", "0"}});
// std::vector<prometheus::MetricFamily> families;
// std::move(family).AppendTo(families);
// ```
#ifndef PERCORE_METRICS_FAMILY_H_
#define PERCORE_METRICS_FAMILY_H_

#include <string>
#include <utility>
#include <vector>

#include "prometheus/metric_family.h"

namespace percore {

// One thread at a time, as any value. Counters and gauges only.
class Family {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  Family(std::string name, std::string help, prometheus::MetricType type) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }

  void Add(double value, Labels labels) {
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    if (family_.type == prometheus::MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family_.metric.push_back(std::move(metric));
  }

  // A family without samples is left out.
  void AppendTo(std::vector<prometheus::MetricFamily>& families) && {
    if (!family_.metric.empty()) families.push_back(std::move(family_));
  }

 private:
  prometheus::MetricFamily family_;
};

}  // namespace percore

#endif  // PERCORE_METRICS_FAMILY_H_
