#include "percore/tests/support/scripted_resolver.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace percore {

class ScriptedResolver::Question final : public Resolver::Request {
 public:
  Question(ScriptedResolver& resolver, int family, Callback callback,
           void* argument)
      : resolver_(resolver),
        family_(family),
        callback_(callback),
        argument_(argument) {
    resolver_.pending_.push_back(this);
  }
  ~Question() override { std::erase(resolver_.pending_, this); }

  int family() const { return family_; }
  // It may be gone afterwards.
  void Answer(absl::StatusOr<std::vector<SocketAddress>> answer) {
    std::erase(resolver_.pending_, this);
    callback_(std::move(answer), argument_);
  }

 private:
  ScriptedResolver& resolver_;
  const int family_;
  const Callback callback_;
  void* const argument_;
};

ScriptedResolver::~ScriptedResolver() {
  EXPECT_TRUE(pending_.empty()) << "a request outlives its resolver";
}

std::unique_ptr<Resolver::Request> ScriptedResolver::Lookup(
    std::string_view host, int family, Callback callback, void* argument) {
  questions_.push_back((family == AF_INET6 ? "AAAA " : "A ") +
                       std::string(host));
  return std::make_unique<Question>(*this, family, callback, argument);
}

void ScriptedResolver::Answer(int family,
                              const std::vector<std::string>& addresses) {
  std::vector<SocketAddress> answer;
  answer.reserve(addresses.size());
  for (const std::string& address : addresses) {
    answer.push_back(*SocketAddress::Parse(address, 0));
  }
  Finish(family, std::move(answer));
}

void ScriptedResolver::Fail(int family, const absl::Status& status) {
  Finish(family, status);
}

void ScriptedResolver::Finish(
    int family, absl::StatusOr<std::vector<SocketAddress>> answer) {
  const auto question =
      std::find_if(pending_.begin(), pending_.end(),
                   [&](Question* q) { return q->family() == family; });
  ASSERT_NE(question, pending_.end()) << "nobody has asked";
  (*question)->Answer(std::move(answer));
}

}  // namespace percore
