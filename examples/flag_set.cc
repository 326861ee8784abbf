#include "percore/examples/flag_set.h"

#include <getopt.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

// What getopt_long() returns; the flags' own indexes start above.
constexpr int kUnknownFlag = '?';
constexpr int kMissingValue = ':';
constexpr int kFirstFlag = 256;

}  // namespace

void FlagSet::Add(std::string name, std::string value_name, std::string help,
                  Setter setter) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help),
                    std::move(setter)});
}

absl::Status FlagSet::Parse(int argc, char** argv) {
  const int help_index = kFirstFlag + static_cast<int>(flags_.size());
  std::vector<option> options;
  for (const Flag& flag : flags_) {
    options.push_back({.name = flag.name.c_str(),
                       .has_arg = required_argument,
                       .flag = nullptr,
                       .val = kFirstFlag + static_cast<int>(options.size())});
  }
  options.push_back({"help", no_argument, nullptr, help_index});
  options.push_back({});

  optind = 0;  // GNU: start afresh
  opterr = 0;  // we say what is wrong
  while (true) {
    const int position = optind == 0 ? 1 : optind;
    // ':' tells a missing value from an unknown flag.
    const int index = getopt_long(argc, argv, ":", options.data(), nullptr);
    if (index == -1) break;
    if (index == kUnknownFlag) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown flag '", argv[position], "': --help lists those there are"));
    }
    if (index == kMissingValue) {
      return absl::InvalidArgumentError(
          absl::StrCat("flag '", argv[position], "' needs a value"));
    }
    if (index == help_index) {
      help_requested_ = true;
      continue;
    }
    const Flag& flag = flags_[index - kFirstFlag];
    if (absl::Status status = flag.setter(optarg); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag.name, ": ", status.message()));
    }
  }
  if (optind < argc) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", argv[optind], "' is no flag"));
  }
  return absl::OkStatus();
}

std::string FlagSet::Help() const {
  std::string help = absl::StrCat(summary_, "\n\n");
  for (const Flag& flag : flags_) {
    absl::StrAppendFormat(&help, "  %-24s %s\n",
                          absl::StrCat("--", flag.name, "=", flag.value_name),
                          flag.help);
  }
  absl::StrAppendFormat(&help, "  %-24s %s\n", "--help",
                        "print this and do nothing");
  return help;
}

absl::Status ParseNumberFlag(std::string_view text, int least, int most,
                             int* value) {
  if (!absl::SimpleAtoi(ToAbsl(text), value) || *value < least ||
      *value > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", ToAbsl(text), "' is not a number from ", least, " to ", most));
  }
  return absl::OkStatus();
}

}  // namespace percore
