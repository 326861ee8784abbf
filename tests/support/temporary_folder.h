// A folder of a test's own, that goes with the test.
//
// Its name is short: a UNIX socket's path has 107 bytes at most, and the folder
// that Bazel gives to a test has taken them all.
//
// ```cpp
// percore::TemporaryFolder folder;
// std::string listen = "unix:" + folder.File("socket");
// ```
#ifndef PERCORE_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
#define PERCORE_TESTS_SUPPORT_TEMPORARY_FOLDER_H_

#include <string>
#include <string_view>

namespace percore {

class TemporaryFolder {
 public:
  // Fails the test if it cannot be made.
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  // Removes it, with all that is in it.
  ~TemporaryFolder();

  // The path of a file in it, which need not exist.
  std::string File(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
