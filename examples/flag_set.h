// The flags of an example program, as a table: getopt_long(3) reads them, and
// the same table prints the help.
//
// ```cpp
// int shards = 0;
// percore::FlagSet flags("echo_server: sends back what it gets");
// flags.Add("shards", "N", "number of shards", [&](std::string_view value) {
//   return percore::ParseNumberFlag(value, 0, 1024, &shards);
// });
// char program[] = "echo_server";
// char* arguments[] = {program, nullptr};
// absl::Status status = flags.Parse(1, arguments);
// ```
#ifndef PERCORE_EXAMPLES_FLAG_SET_H_
#define PERCORE_EXAMPLES_FLAG_SET_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace percore {

// One thread; getopt_long() keeps global state, so one Parse() at a time.
class FlagSet {
 public:
  // Takes the text behind "--name=", says what is wrong about it.
  using Setter = std::function<absl::Status(std::string_view value)>;

  // `summary` is the first line of the help.
  explicit FlagSet(std::string summary) : summary_(std::move(summary)) {}

  // A flag that is given as --name=VALUE. `value_name` stands for the value in
  // the help.
  void Add(std::string name, std::string value_name, std::string help,
           Setter setter);

  // Reads all of `argv`. InvalidArgument, in one line, for an unknown flag, one
  // without its value, a bad value, and anything that is no flag.
  absl::Status Parse(int argc, char** argv);

  // --help was among the flags.
  bool help_requested() const { return help_requested_; }
  // What --help prints.
  std::string Help() const;

 private:
  struct Flag {
    std::string name;
    std::string value_name;
    std::string help;
    Setter setter;
  };

  const std::string summary_;
  std::vector<Flag> flags_;
  bool help_requested_ = false;
};

// A whole number from `least` to `most`, in decimal digits.
absl::Status ParseNumberFlag(std::string_view text, int least, int most,
                             int* value);

}  // namespace percore

#endif  // PERCORE_EXAMPLES_FLAG_SET_H_
