#include "percore/metrics/bounded_labels.h"

namespace percore {
namespace {

std::string Legal(std::string name) {
  for (char& byte : name) {
    if (byte < ' ' || byte > '~') byte = '?';
  }
  return name;
}

}  // namespace

std::string BoundedLabels::LabelOf(const std::string& name) {
  const auto found = labels_.find(name);
  if (found != labels_.end()) return found->second;
  if (labels_.size() >= most_) return kOther;
  return labels_.emplace(name, Legal(name)).first->second;
}

}  // namespace percore
