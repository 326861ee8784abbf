// A result as one line of JSON.
#ifndef PERCORE_BENCH_LOAD_RESULT_LINE_H_
#define PERCORE_BENCH_LOAD_RESULT_LINE_H_

#include <string>

#include "percore/bench/load/measure.h"

namespace percore::bench {

// What the line says beside the result itself.
struct ResultLineOptions {
  std::string payload;  // as --payload names it
  bool server_cpu;      // the server's CPU time was measured
};

// Ends with a line feed. Scripts read it: keys keep their names.
std::string ResultLine(const Measured& measured, const MeasureOptions& asked,
                       const ResultLineOptions& options);

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_RESULT_LINE_H_
