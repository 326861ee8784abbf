#include "percore/buffer/segment.h"

#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "gtest/gtest.h"

namespace percore {
namespace {

void Count(void* counter) { ++*static_cast<int*>(counter); }

void AppendTo(Segment* segment, std::string_view text) {
  segment->Append(text.data(), text.size());
}

TEST(SegmentTest, NewOnesAreEmptyAndHaveAtLeastTheRoomAskedFor) {
  for (size_t capacity : {size_t{1}, size_t{448}, size_t{449}, size_t{4096},
                          Segment::kMaxPooledCapacity,
                          Segment::kMaxPooledCapacity + 1, size_t{1'000'000}}) {
    Segment* const segment = Segment::New(capacity);
    EXPECT_TRUE(segment->empty());
    EXPECT_EQ(segment->headroom(), 0u);
    EXPECT_GE(segment->tailroom(), capacity);
    EXPECT_LT(segment->tailroom(), 2 * capacity + 512);
    EXPECT_EQ(segment->next(), nullptr);
    std::memset(segment->tail(), 'x', segment->tailroom());
    segment->Extend(capacity);
    EXPECT_EQ(segment->view(), std::string(capacity, 'x'));
    Segment::Release(segment);
  }
}

TEST(SegmentTest, WhatIsDrainedBecomesHeadroom) {
  Segment* const segment = Segment::New(100);
  AppendTo(segment, "0123456789");
  segment->Drain(4);
  EXPECT_EQ(segment->view(), "456789");
  EXPECT_EQ(segment->headroom(), 4u);
  segment->Prepend("abcd", 4);
  EXPECT_EQ(segment->view(), "abcd456789");
  Segment::Release(segment);
}

TEST(SegmentTest, OnlyTheBackOfASplitHasRoom) {
  Segment* const back = Segment::New(100);
  AppendTo(back, "frontback");
  const size_t room = back->tailroom();
  Segment* const front = back->SplitFront(5);
  EXPECT_EQ(front->view(), "front");
  EXPECT_EQ(back->view(), "back");
  EXPECT_EQ(back->data(), front->data() + 5);
  EXPECT_EQ(front->tailroom(), 0u);
  EXPECT_EQ(front->headroom(), 0u);
  EXPECT_EQ(back->tailroom(), room);
  EXPECT_EQ(back->headroom(), 0u) << "it is the front's memory";
  EXPECT_TRUE(front->IsShared());
  EXPECT_TRUE(back->IsShared());
  Segment::Release(front);
  EXPECT_FALSE(back->IsShared());
  EXPECT_EQ(back->headroom(), 5u);
  Segment::Release(back);
}

TEST(SegmentTest, SharedMemoryOutlivesTheSegmentItCameWith) {
  Segment* const third = Segment::New(100);
  AppendTo(third, "onetwothree");
  Segment* const both = third->SplitFront(6);
  Segment* const first = both->SplitFront(3);
  Segment::Release(third);
  EXPECT_TRUE(both->IsShared());
  EXPECT_EQ(first->view(), "one");
  EXPECT_EQ(both->view(), "two");
  Segment::Release(first);
  EXPECT_FALSE(both->IsShared());
  EXPECT_EQ(both->view(), "two");
  Segment::Release(both);
}

TEST(SegmentTest, MemoryReturnsToThePoolWithItsLastWindow) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t before = stats->segments_in_use.Get();
  Segment* const back = Segment::New(100);
  AppendTo(back, "frontback");
  Segment* const front = back->SplitFront(5);
  EXPECT_EQ(stats->segments_in_use.Get(), before + 2);
  Segment::Release(back);
  EXPECT_EQ(stats->segments_in_use.Get(), before + 2);
  Segment::Release(front);
  EXPECT_EQ(stats->segments_in_use.Get(), before);
}

TEST(SegmentTest, UnpooledMemoryIsSharedLikeAnyOther) {
  Segment* const back = Segment::New(100'000);
  std::memset(back->tail(), 'x', 100'000);
  back->Extend(100'000);
  Segment* const front = back->SplitFront(50'000);
  Segment::Release(back);
  EXPECT_EQ(front->view(), std::string(50'000, 'x'));
  Segment::Release(front);
}

TEST(SegmentTest, ExternalMemoryIsReleasedOnceWithItsLastWindow) {
  int released = 0;
  const std::string text = "external";
  Segment* const back =
      Segment::NewExternal(text.data(), text.size(), Count, &released);
  EXPECT_EQ(back->data(), text.data());
  EXPECT_EQ(back->tailroom(), 0u);
  EXPECT_EQ(back->headroom(), 0u);
  Segment* const front = back->SplitFront(2);
  Segment::Release(back);
  EXPECT_EQ(front->view(), "ex");
  EXPECT_EQ(released, 0);
  Segment::Release(front);
  EXPECT_EQ(released, 1);
}

TEST(SegmentTest, ExternalMemoryMayHaveNoReleaseFunction) {
  Segment::Release(Segment::NewExternal("static", 6, nullptr, nullptr));
}

TEST(SegmentTest, TailroomIsForfeitedForGood) {
  Segment* const segment = Segment::New(100);
  AppendTo(segment, "text");
  segment->ForfeitTailroom();
  EXPECT_EQ(segment->tailroom(), 0u);
  EXPECT_EQ(segment->view(), "text");
  Segment::Release(segment);
}

TEST(SegmentTest, AChainIsReleasedOnAnotherThread) {
  Segment* const first = Segment::New(100);
  AppendTo(first, "firstshared");
  Segment* const second = first->SplitFront(5);
  first->set_next(second);
  second->set_next(Segment::New(100'000));
  std::thread([first] { Segment::ReleaseChain(first); }).join();
}

}  // namespace
}  // namespace percore
