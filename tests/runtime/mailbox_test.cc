#include "percore/runtime/internal/mailbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace percore::internal {
namespace {

constexpr size_t kCapacity = 4;

size_t Deliver(Mailbox& mailbox) {
  bool sender_waits = false;
  return mailbox.Deliver(&sender_waits);
}

TEST(MailboxTest, DeliversNothingBeforeItIsPublished) {
  Mailbox mailbox(kCapacity);
  int ran = 0;
  EXPECT_TRUE(mailbox.Push(Message([&ran] { ++ran; })));
  EXPECT_FALSE(mailbox.HasArrived());
  EXPECT_EQ(Deliver(mailbox), 0u);
  EXPECT_TRUE(mailbox.Publish());
  EXPECT_TRUE(mailbox.HasArrived());
  EXPECT_EQ(Deliver(mailbox), 1u);
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(mailbox.HasArrived());
}

TEST(MailboxTest, PublishSaysWhetherThereWasAnything) {
  Mailbox mailbox(kCapacity);
  EXPECT_FALSE(mailbox.Publish());
  mailbox.Push(Message([] {}));
  EXPECT_TRUE(mailbox.Publish());
  EXPECT_FALSE(mailbox.Publish());
}

TEST(MailboxTest, AFullRingKeepsTheRestInOrder) {
  Mailbox mailbox(kCapacity);
  std::vector<int> order;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(mailbox.Push(Message([&order, i] { order.push_back(i); })),
              i < static_cast<int>(kCapacity));
  }
  EXPECT_EQ(mailbox.overflow(), 6u);
  while (order.size() < 10) {
    mailbox.Publish();
    ASSERT_GT(Deliver(mailbox), 0u);
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(order[i], i);
  EXPECT_EQ(mailbox.overflow(), 0u);
}

TEST(MailboxTest, TellsASenderThatWaitsForRoom) {
  Mailbox mailbox(kCapacity);
  for (int i = 0; i < 5; ++i) mailbox.Push(Message([] {}));
  mailbox.Publish();
  EXPECT_FALSE(mailbox.CanMoveOverflow());
  bool sender_waits = false;
  EXPECT_EQ(mailbox.Deliver(&sender_waits), kCapacity);
  EXPECT_TRUE(sender_waits);
  EXPECT_TRUE(mailbox.CanMoveOverflow());
}

TEST(MailboxTest, DoesNotTellASenderThatHasNothingLeft) {
  Mailbox mailbox(kCapacity);
  mailbox.Push(Message([] {}));
  mailbox.Publish();
  bool sender_waits = false;
  mailbox.Deliver(&sender_waits);
  EXPECT_FALSE(sender_waits);
}

TEST(MailboxTest, DestroysWhatWasNotDelivered) {
  auto shared = std::make_shared<int>(1);
  {
    Mailbox mailbox(kCapacity);
    for (int i = 0; i < 6; ++i) mailbox.Push(Message([shared] {}));
    mailbox.Publish();
    EXPECT_EQ(shared.use_count(), 7);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(MailboxTest, AMessageMaySendIntoAnotherMailbox) {
  Mailbox there(kCapacity);
  Mailbox back(kCapacity);
  int answer = 0;
  there.Push(Message([&] { back.Push(Message([&answer] { answer = 42; })); }));
  there.Publish();
  Deliver(there);
  back.Publish();
  Deliver(back);
  EXPECT_EQ(answer, 42);
}

// Every message arrives once and in order, and nobody waits for ever, whatever
// the two threads' speeds are.
TEST(MailboxTest, LosesNothingBetweenTwoThreads) {
  constexpr int kMessages = 100000;
  Mailbox mailbox(8);
  int next = 0;
  std::thread receiver([&] {
    while (next < kMessages) {
      if (Deliver(mailbox) == 0) std::this_thread::yield();
    }
  });
  for (int i = 0; i < kMessages; ++i) {
    mailbox.Push(Message([&next, i] {
      EXPECT_EQ(next, i);
      ++next;
    }));
    if (i % 3 == 0) mailbox.Publish();
  }
  do {
    std::this_thread::yield();
    mailbox.Publish();
  } while (mailbox.overflow() > 0);
  receiver.join();
  EXPECT_EQ(next, kMessages);
}

}  // namespace
}  // namespace percore::internal
