// Labels for things that have names of the program's choice, as many as there
// is room for on the page.
//
// Each series costs Prometheus memory for as long as it remembers. Whoever
// makes up names without end (one for each client, say) must not be able to
// make a page without end: the first names get labels of their own, all that
// come later share "_other".
//
// ```cpp
// percore::BoundedLabels labels(1);
// std::string first = labels.LabelOf("web");     // "web"
// std::string second = labels.LabelOf("admin");  // "_other"
// ```
#ifndef PERCORE_METRICS_BOUNDED_LABELS_H_
#define PERCORE_METRICS_BOUNDED_LABELS_H_

#include <cstddef>
#include <map>
#include <string>

namespace percore {

// One thread at a time, as any value.
class BoundedLabels {
 public:
  static constexpr char kOther[] = "_other";

  explicit BoundedLabels(size_t most) : most_(most) {}

  // The same for the same name, always: a name keeps its place when what had it
  // is gone. Bytes in it that are not printable ASCII are shown as '?'; names
  // that look the same then have one label.
  std::string LabelOf(const std::string& name);

 private:
  const size_t most_;
  std::map<std::string, std::string> labels_;  // by name
};

}  // namespace percore

#endif  // PERCORE_METRICS_BOUNDED_LABELS_H_
