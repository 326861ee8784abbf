// A resolver that answers when a test says so.
//
// ```cpp
// percore::ScriptedResolver resolver;
// // ... something calls resolver.Lookup("a.test", AF_INET, ...) ...
// resolver.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
// ```
#ifndef PERCORE_TESTS_SUPPORT_SCRIPTED_RESOLVER_H_
#define PERCORE_TESTS_SUPPORT_SCRIPTED_RESOLVER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "percore/net/resolver.h"

namespace percore {

// Thread: one.
class ScriptedResolver final : public Resolver {
 public:
  ScriptedResolver() = default;
  ~ScriptedResolver() override;

  std::unique_ptr<Request> Lookup(std::string_view host, int family,
                                  Callback callback, void* argument) override;

  // Answers the oldest question for that family, with numbers.
  void Answer(int family, const std::vector<std::string>& addresses);
  void Fail(int family, const absl::Status& status);

  // All that was ever asked: "AAAA a.test".
  const std::vector<std::string>& questions() const { return questions_; }
  // What is neither answered nor taken back.
  size_t pending() const { return pending_.size(); }

 private:
  class Question;

  void Finish(int family, absl::StatusOr<std::vector<SocketAddress>> answer);

  std::vector<std::string> questions_;
  std::vector<Question*> pending_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SCRIPTED_RESOLVER_H_
