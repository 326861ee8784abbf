#include "percore/net/filter.h"

#include <utility>

#include "percore/net/internal/filter_transport.h"

namespace percore {
namespace {

class FunctionFilter final : public Filter {
 public:
  explicit FunctionFilter(FilterFunctions functions)
      : functions_(std::move(functions)) {}

  absl::StatusOr<FilterResult> FilterInput(Buffer& source, Buffer& destination,
                                           size_t limit,
                                           FlushMode mode) override {
    return functions_.input == nullptr
               ? Filter::FilterInput(source, destination, limit, mode)
               : functions_.input(source, destination, limit, mode);
  }

  absl::StatusOr<FilterResult> FilterOutput(Buffer& source, Buffer& destination,
                                            size_t limit,
                                            FlushMode mode) override {
    return functions_.output == nullptr
               ? Filter::FilterOutput(source, destination, limit, mode)
               : functions_.output(source, destination, limit, mode);
  }

 private:
  FilterFunctions functions_;
};

std::unique_ptr<BufferEvent> Make(BufferEvent& underlying,
                                  std::unique_ptr<BufferEvent> owned,
                                  std::unique_ptr<Filter> filter,
                                  const FilterOptions& options) {
  return std::make_unique<BufferEvent>(
      underlying.base(),
      TransportPtr(new internal::FilterTransport(underlying, std::move(owned),
                                                 std::move(filter), options)),
      options.connection);
}

}  // namespace

absl::StatusOr<FilterResult> Filter::FilterInput(Buffer& source,
                                                 Buffer& destination,
                                                 size_t limit,
                                                 FlushMode /*mode*/) {
  destination.MoveFrom(source, limit);
  return FilterResult::kOk;
}

absl::StatusOr<FilterResult> Filter::FilterOutput(Buffer& source,
                                                  Buffer& destination,
                                                  size_t limit,
                                                  FlushMode /*mode*/) {
  destination.MoveFrom(source, limit);
  return FilterResult::kOk;
}

std::unique_ptr<Filter> MakeFilter(FilterFunctions functions) {
  return std::make_unique<FunctionFilter>(std::move(functions));
}

std::unique_ptr<BufferEvent> MakeFilteredBufferEvent(
    std::unique_ptr<BufferEvent> underlying, std::unique_ptr<Filter> filter,
    const FilterOptions& options) {
  BufferEvent& reference = *underlying;
  return Make(reference, std::move(underlying), std::move(filter), options);
}

std::unique_ptr<BufferEvent> MakeFilteredBufferEvent(
    BufferEvent& underlying, std::unique_ptr<Filter> filter,
    const FilterOptions& options) {
  return Make(underlying, nullptr, std::move(filter), options);
}

}  // namespace percore
