#include "percore/tests/e2e/server_process.h"

#include <cstdlib>

namespace percore {

double ServerProcess::Metric(const std::string& series) const {
  const std::string page = RunProgram({"curl", "-sS", metrics_url_});
  const std::string line = "\n" + series + " ";
  const size_t begin = page.find(line);
  if (begin == std::string::npos) return 0;
  return std::strtod(page.c_str() + begin + line.size(), nullptr);
}

}  // namespace percore
