#include "percore/runtime/cpu_set.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace percore {
namespace {

TEST(CpuSetTest, ReadsNumbersAndRanges) {
  EXPECT_EQ(*ParseCpuList("0"), (CpuList{0}));
  EXPECT_EQ(*ParseCpuList("0,2-4"), (CpuList{0, 2, 3, 4}));
  EXPECT_EQ(*ParseCpuList("3,1,1-3"), (CpuList{1, 2, 3}));
}

TEST(CpuSetTest, RefusesAnythingElseWithTheOffendingPart) {
  for (const char* text :
       {"", "a", "1,", "1-", "-1", "3-1", "1-2-3", "0x1", "99999", "1 2"}) {
    const absl::StatusOr<CpuList> cpus = ParseCpuList(text);
    EXPECT_EQ(cpus.status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(ParseCpuList("0,7-x").status().message(),
            "bad CPU list '0,7-x': '7-x' is not a CPU number or a range like "
            "2-5");
}

TEST(CpuSetTest, FormatsWhatItReads) {
  for (const char* text : {"0", "0,2-4", "1-2,5,7-9"}) {
    EXPECT_EQ(FormatCpuList(*ParseCpuList(text)), text);
  }
  EXPECT_EQ(FormatCpuList({}), "");
}

TEST(CpuSetTest, PinsTheThreadToAnAllowedCpu) {
  std::thread([] {
    const int cpu = AllowedCpus()->back();
    ASSERT_TRUE(PinThread(cpu).ok());
    EXPECT_EQ(*AllowedCpus(), (CpuList{cpu}));
    EXPECT_EQ(sched_getcpu(), cpu);
  }).join();
}

TEST(CpuSetTest, PinningToACpuThatIsNotThereFails) {
  const absl::Status status = PinThread(CPU_SETSIZE - 1);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "sched_setaffinity CPU 1023: Invalid argument");
}

class CgroupTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  const std::string root_ =
      testing::TempDir() + "/" +
      testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(CgroupTest, HasNoQuotaWithoutCgroups) {
  EXPECT_EQ(CgroupCpuQuota(root_), std::nullopt);
}

TEST_F(CgroupTest, ReadsVersionTwo) {
  Write("/proc/self/cgroup", "0::/service\n");
  Write("/sys/fs/cgroup/service/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(root_).value(), 1.5);
}

TEST_F(CgroupTest, TakesTheTightestQuotaOnTheWayToTheRoot) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
  Write("/sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(root_).value(), 2);
}

TEST_F(CgroupTest, ReadsVersionOne) {
  Write("/proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/c\n");
  Write("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "50000\n");
  Write("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  EXPECT_DOUBLE_EQ(CgroupCpuQuota(root_).value(), 0.5);
}

TEST_F(CgroupTest, AnUnlimitedOrBrokenQuotaIsNone) {
  Write("/proc/self/cgroup", "4:cpu:/c\n0::/d\n");
  Write("/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/cpu/c/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/d/cpu.max", "nonsense\n");
  EXPECT_EQ(CgroupCpuQuota(root_), std::nullopt);
}

}  // namespace
}  // namespace percore
