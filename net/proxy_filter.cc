#include "percore/net/proxy_filter.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

class ProxyHeaderReader final : public Filter {
 public:
  ProxyHeaderReader(ProxyHeaderCallback on_header,
                    const ProxyReaderOptions& options)
      : on_header_(std::move(on_header)), options_(options) {}

  absl::StatusOr<FilterResult> FilterInput(Buffer& source, Buffer& destination,
                                           size_t limit,
                                           FlushMode mode) override {
    if (!done_) return ReadHeader(source, mode);
    if (!refusal_.ok()) return refusal_;
    if (!start_.empty()) {
      destination.MoveFrom(start_, limit);
      return FilterResult::kOk;
    }
    return Filter::FilterInput(source, destination, limit, mode);
  }

 private:
  absl::StatusOr<FilterResult> ReadHeader(Buffer& source, FlushMode mode);
  absl::Status CheckVersion(const ProxyHeader& header) const;
  absl::StatusOr<FilterResult> Tell(ProxyHeader* header);

  ProxyHeaderCallback on_header_;
  const ProxyReaderOptions options_;
  bool done_ = false;
  absl::Status refusal_;
  Buffer start_;  // of a connection without a header
};

absl::StatusOr<FilterResult> ProxyHeaderReader::ReadHeader(Buffer& source,
                                                           FlushMode mode) {
  if (source.empty()) return FilterResult::kNeedMore;
  absl::StatusOr<ProxyParseResult> result =
      ParseProxyHeader(source, options_.parse);
  if (!result.ok()) return result.status();
  switch (result->kind) {
    case ProxyParseResult::Kind::kHeader:
      refusal_ = CheckVersion(result->header);
      done_ = true;
      if (!refusal_.ok()) return refusal_;
      return Tell(&result->header);
    case ProxyParseResult::Kind::kNeedMore:
      if (mode != FlushMode::kFinished) return FilterResult::kNeedMore;
      return absl::DataLossError(
          absl::StrCat("end of file inside a PROXY header, after ",
                       source.size(), " bytes"));
    case ProxyParseResult::Kind::kNotProxy:
      break;
  }
  if (options_.presence == ProxyReaderOptions::Presence::kRequired) {
    return absl::InvalidArgumentError("the connection has no PROXY header");
  }
  done_ = true;
  // The call that tells the user can do nothing else any more, and has to have
  // done something to be repeated.
  start_.Append(std::move(source));
  return Tell(nullptr);
}

absl::Status ProxyHeaderReader::CheckVersion(const ProxyHeader& header) const {
  using Versions = ProxyReaderOptions::Versions;
  const Versions only = header.version == ProxyVersion::kV1 ? Versions::kOnlyV1
                                                            : Versions::kOnlyV2;
  if (options_.versions == Versions::kBoth || options_.versions == only) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "a PROXY header of version ", static_cast<int>(header.version),
      ", which is not accepted"));
}

absl::StatusOr<FilterResult> ProxyHeaderReader::Tell(ProxyHeader* header) {
  if (on_header_ == nullptr) return FilterResult::kOk;
  // The connection may be gone afterwards, this filter is not.
  refusal_ = on_header_(header);
  on_header_ = nullptr;
  if (!refusal_.ok()) return refusal_;
  return FilterResult::kOk;
}

class ProxyHeaderWriter final : public Filter {
 public:
  explicit ProxyHeaderWriter(Buffer header) : header_(std::move(header)) {}

  absl::StatusOr<FilterResult> FilterOutput(Buffer& source, Buffer& destination,
                                            size_t limit,
                                            FlushMode mode) override {
    if (header_.empty()) {
      return Filter::FilterOutput(source, destination, limit, mode);
    }
    destination.MoveFrom(header_, limit);
    return FilterResult::kOk;
  }

 private:
  Buffer header_;
};

}  // namespace

std::unique_ptr<Filter> MakeProxyHeaderReader(
    ProxyHeaderCallback on_header, const ProxyReaderOptions& options) {
  return std::make_unique<ProxyHeaderReader>(std::move(on_header), options);
}

absl::StatusOr<std::unique_ptr<Filter>> MakeProxyHeaderWriter(
    const ProxyHeader& header) {
  Buffer bytes;
  if (absl::Status status = AppendProxyHeader(header, bytes); !status.ok()) {
    return status;
  }
  return std::make_unique<ProxyHeaderWriter>(std::move(bytes));
}

}  // namespace percore
