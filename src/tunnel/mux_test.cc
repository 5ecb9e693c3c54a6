#include "tunnel/mux.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace fallow::tunnel {
namespace {

using Kind = MuxEvent::Kind;

// Two sides and what is on its way between them.
struct Pair {
  Mux renter{Side::kRenter};
  Mux sandbox{Side::kSandbox};
  std::vector<MuxEvent> at_renter;
  std::vector<MuxEvent> at_sandbox;

  // Everything that each side has to say, until both are silent. Torn into pieces of `piece`.
  void settle(std::size_t piece = 1 << 20) {
    while (renter.has_output() || sandbox.has_output()) {
      std::string out;
      renter.take_output(out, 1);
      give(sandbox, out, piece, at_sandbox);
      out.clear();
      sandbox.take_output(out, 1);
      give(renter, out, piece, at_renter);
    }
  }
  static void give(Mux& to, std::string_view bytes, std::size_t piece,
                   std::vector<MuxEvent>& events) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      to.receive(bytes.substr(0, piece), events);
    }
  }
};

std::string bytes_of(const std::vector<MuxEvent>& events, std::uint32_t stream,
                     std::uint8_t channel = 0) {
  std::string bytes;
  for (const MuxEvent& event : events) {
    if (event.kind == Kind::kData && event.stream == stream && event.channel == channel) {
      bytes += event.bytes;
    }
  }
  return bytes;
}

const MuxEvent* find(const std::vector<MuxEvent>& events, Kind kind, std::uint32_t stream) {
  for (const MuxEvent& event : events) {
    if (event.kind == kind && event.stream == stream) return &event;
  }
  return nullptr;
}

TEST(Mux, CarriesRequestDataNotesAndEnds) {
  Pair pair;
  const std::uint32_t stream = pair.renter.open("a request");
  ASSERT_EQ(stream, 1U);
  pair.renter.send(stream, 0, "to the sandbox");
  pair.renter.end(stream);
  pair.settle(3);
  ASSERT_EQ(pair.at_sandbox.size(), 4U);
  EXPECT_EQ(pair.at_sandbox[0].kind, Kind::kReady);
  EXPECT_EQ(pair.at_sandbox[1].kind, Kind::kOpened);
  EXPECT_EQ(pair.at_sandbox[1].bytes, "a request");
  EXPECT_EQ(bytes_of(pair.at_sandbox, stream), "to the sandbox");
  EXPECT_EQ(pair.at_sandbox[3].kind, Kind::kEnded);

  pair.sandbox.send(stream, 0, "out");
  pair.sandbox.send(stream, 1, "err");
  pair.sandbox.send_note(stream, "exit");
  pair.sandbox.end(stream);
  pair.settle(5);
  EXPECT_EQ(bytes_of(pair.at_renter, stream, 0), "out");
  EXPECT_EQ(bytes_of(pair.at_renter, stream, 1), "err");
  ASSERT_NE(find(pair.at_renter, Kind::kNote, stream), nullptr);
  EXPECT_EQ(pair.at_renter.back().kind, Kind::kEnded);
  EXPECT_FALSE(pair.renter.is_open(stream));
  EXPECT_FALSE(pair.sandbox.is_open(stream));
}

TEST(Mux, NotesGoOnBehindTheEndOfData) {
  Pair pair;
  const std::uint32_t stream = pair.renter.open("r");
  pair.renter.end(stream);
  pair.settle();
  pair.renter.send_note(stream, "signal");
  pair.settle();
  ASSERT_NE(find(pair.at_sandbox, Kind::kNote, stream), nullptr);
  pair.sandbox.end(stream);
  pair.settle();
  EXPECT_FALSE(pair.renter.is_open(stream));
  pair.renter.send_note(stream, "too late");
  EXPECT_FALSE(pair.renter.has_output());
}

TEST(Mux, SendsNoMoreThanWasGranted) {
  Pair pair;
  const std::uint32_t stream = pair.renter.open("r");
  const std::string piece(kSendBytesMax, 'x');
  for (int i = 0; i < 20; ++i) {
    pair.renter.send(stream, 0, piece.substr(0, pair.renter.room(stream)));
    pair.settle();
  }
  EXPECT_EQ(bytes_of(pair.at_sandbox, stream).size(), kWindowBytes);
  EXPECT_EQ(pair.renter.room(stream), 0U);
  // What is used up may be sent anew, and no byte of it is lost.
  pair.sandbox.consumed(stream, kWindowBytes);
  pair.settle();
  EXPECT_EQ(bytes_of(pair.at_sandbox, stream).size(), kWindowBytes + kSendBytesMax);
}

TEST(Mux, AStreamThatNobodyReadsBlocksNoOther) {
  Pair pair;
  const std::uint32_t slow = pair.renter.open("slow");
  const std::uint32_t quick = pair.renter.open("quick");
  for (int i = 0; i < 10; ++i) {
    pair.renter.send(slow, 0, std::string(pair.renter.room(slow), 's'));
    pair.settle();
  }
  std::size_t got = 0;
  for (int i = 0; i < 100; ++i) {
    pair.at_sandbox.clear();
    pair.renter.send(quick, 0, std::string(pair.renter.room(quick), 'q'));
    pair.settle();
    const std::size_t came = bytes_of(pair.at_sandbox, quick).size();
    pair.sandbox.consumed(quick, came);
    got += came;
  }
  EXPECT_EQ(got, 100 * kSendBytesMax);
}

TEST(Mux, StreamsTakeTurns) {
  Pair pair;
  pair.settle();
  const std::uint32_t first = pair.renter.open("1");
  const std::uint32_t second = pair.renter.open("2");
  std::string out;
  pair.renter.take_output(out, 1);
  pair.renter.send(first, 0, std::string(kSendBytesMax, 'a'));
  pair.renter.send(second, 0, std::string(kSendBytesMax, 'b'));
  // Of 100 KB each has nearly the half, however early the other began.
  out.clear();
  pair.renter.take_output(out, 100'000);
  const auto share = std::count(out.begin(), out.end(), 'a');
  EXPECT_GE(share, 32 * 1024);
  EXPECT_LE(share, 64 * 1024);
}

TEST(Mux, AResetIsHeardOnceAndStopsBothWays) {
  Pair pair;
  const std::uint32_t stream = pair.renter.open("r");
  pair.settle();
  pair.renter.send(stream, 0, "too late");
  pair.sandbox.reset(stream, "no such file");
  pair.settle();
  const MuxEvent* reset = find(pair.at_renter, Kind::kReset, stream);
  ASSERT_NE(reset, nullptr);
  EXPECT_EQ(reset->bytes, "no such file");
  EXPECT_EQ(bytes_of(pair.at_sandbox, stream), "");
  EXPECT_TRUE(pair.sandbox.error().empty());
  pair.renter.send(stream, 0, "later still");
  pair.renter.end(stream);
  EXPECT_FALSE(pair.renter.has_output());
}

TEST(Mux, OneStreamTooManyIsRefusedAndTheOthersGoOn) {
  Pair pair;
  for (std::size_t i = 0; i < kStreamsMax; ++i) ASSERT_NE(pair.renter.open("r"), 0U);
  EXPECT_EQ(pair.renter.open("r"), 0U);
  pair.settle();
  EXPECT_EQ(pair.sandbox.open_count(), kStreamsMax);
  // Of another making, which does not count.
  std::string frame;
  put_frame(frame, FrameKind::kOpen, 0, kStreamsMax + 1, "r");
  EXPECT_TRUE(pair.sandbox.receive(frame, pair.at_sandbox));
  std::string out;
  pair.sandbox.take_output(out, 1);
  FrameDecoder decoder;
  Frame answer;
  std::string_view input = out;
  ASSERT_TRUE(decoder.take(input, answer));
  EXPECT_EQ(answer.kind, FrameKind::kReset);
  EXPECT_EQ(answer.stream, kStreamsMax + 1);
}

TEST(Mux, AGoodbyeEndsEverything) {
  Pair pair;
  pair.sandbox.say_goodbye("the workload does not run here");
  pair.settle();
  ASSERT_FALSE(pair.at_renter.empty());
  EXPECT_EQ(pair.at_renter.back().kind, Kind::kGoodbye);
  EXPECT_EQ(pair.at_renter.back().bytes, "the workload does not run here");
  EXPECT_EQ(pair.renter.open("r"), 0U);
}

struct Breach {
  const char* what;
  std::vector<Frame> frames;
};

TEST(Mux, WhoBreaksTheProtocolIsToldAndHeardNoMore) {
  static const std::string much(kPayloadBytesMax, 'x');
  const Frame hello{FrameKind::kHello, kVersion, 0, ""};
  const Frame open{FrameKind::kOpen, 0, 1, "r"};
  std::vector<Frame> flood{hello, open};
  for (std::size_t i = 0; i <= kWindowBytes / kPayloadBytesMax; ++i) {
    flood.push_back({FrameKind::kData, 0, 1, much});
  }
  static const std::string wide("\xFF\xFF\xFF\x7F", 4);
  const Breach breaches[] = {
      {"no greeting", {open}},
      {"another version", {{FrameKind::kHello, kVersion + 1, 0, ""}}},
      {"two greetings", {hello, hello}},
      {"a stream that was never opened", {hello, {FrameKind::kData, 0, 1, "x"}}},
      {"a stream out of order", {hello, {FrameKind::kOpen, 0, 2, "r"}}},
      {"more data than was granted", flood},
      {"data behind the end",
       {hello, open, {FrameKind::kEnd, 0, 1, ""}, {FrameKind::kData, 0, 1, "x"}}},
      {"data of no bytes", {hello, open, {FrameKind::kData, 0, 1, ""}}},
      {"two ends", {hello, open, {FrameKind::kEnd, 0, 1, ""}, {FrameKind::kEnd, 0, 1, ""}}},
      {"a grant without bound", {hello, open, {FrameKind::kWindow, 0, 1, wide}}},
      {"a grant of another size", {hello, open, {FrameKind::kWindow, 0, 1, "x"}}}};
  for (const Breach& breach : breaches) {
    Mux mux(Side::kSandbox);
    std::string bytes;
    for (const Frame& frame : breach.frames) {
      put_frame(bytes, frame.kind, frame.channel, frame.stream, frame.payload);
    }
    std::vector<MuxEvent> events;
    EXPECT_FALSE(mux.receive(bytes, events)) << breach.what;
    EXPECT_FALSE(mux.error().empty()) << breach.what;
    std::string out;
    mux.take_output(out, 1);
    EXPECT_NE(out.find("protocol was broken"), std::string::npos) << breach.what;
    events.clear();
    EXPECT_FALSE(mux.receive(bytes, events)) << breach.what;
    EXPECT_TRUE(events.empty()) << breach.what;
  }
}

TEST(Mux, WhoOpensWithoutEndAndReadsNothingIsCutOff) {
  Mux mux(Side::kSandbox);
  std::vector<MuxEvent> events;
  std::string bytes;
  put_frame(bytes, FrameKind::kHello, kVersion, 0, {});
  bool goes_on = true;
  for (std::uint32_t stream = 1; goes_on && stream < 100'000; ++stream) {
    put_frame(bytes, FrameKind::kOpen, 0, stream, "r");
    goes_on = mux.receive(bytes, events);
    bytes.clear();
  }
  EXPECT_FALSE(goes_on);
}

// Random traffic on many streams, consumed at random: every byte arrives once, in order.
TEST(Mux, RandomTrafficArrivesWhole) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    std::mt19937 random(seed);
    Pair pair;
    std::map<std::uint32_t, std::string> sent;
    std::map<std::uint32_t, std::size_t> unconsumed;
    std::map<std::uint32_t, std::string> got;
    std::size_t seen = 0;
    for (int step = 0; step < 600; ++step) {
      const auto pick = static_cast<std::uint32_t>(1 + random() % 8);
      if (pick > sent.size() && sent.size() < 8) sent[pair.renter.open("r")];
      const auto stream = static_cast<std::uint32_t>(1 + random() % sent.size());
      const std::size_t count = std::min<std::size_t>(pair.renter.room(stream), random() % 50'000);
      std::string bytes(count, '\0');
      for (std::size_t at = 0; at < count; at += sizeof(std::uint32_t)) {
        const auto word = static_cast<std::uint32_t>(random());
        std::memcpy(bytes.data() + at, &word, std::min(sizeof(word), count - at));
      }
      pair.renter.send(stream, 0, bytes);
      sent[stream] += bytes;
      if (random() % 4 == 0) pair.settle(1 + random() % 5'000);
      for (; seen < pair.at_sandbox.size(); ++seen) {
        const MuxEvent& event = pair.at_sandbox[seen];
        if (event.kind != Kind::kData) continue;
        got[event.stream] += event.bytes;
        unconsumed[event.stream] += event.bytes.size();
        ASSERT_LE(unconsumed[event.stream], kWindowBytes);
      }
      std::size_t& waits = unconsumed[stream];
      const std::size_t used = std::min<std::size_t>(waits, random() % 300'000);
      pair.sandbox.consumed(stream, used);
      waits -= used;
    }
    for (int rounds = 0; rounds < 100; ++rounds) {
      pair.settle();
      for (; seen < pair.at_sandbox.size(); ++seen) {
        const MuxEvent& event = pair.at_sandbox[seen];
        if (event.kind != Kind::kData) continue;
        got[event.stream] += event.bytes;
        unconsumed[event.stream] += event.bytes.size();
      }
      for (auto& [stream, waits] : unconsumed) {
        pair.sandbox.consumed(stream, waits);
        waits = 0;
      }
    }
    for (const auto& [stream, bytes] : sent) ASSERT_EQ(got[stream], bytes) << "seed " << seed;
  }
}

}  // namespace
}  // namespace fallow::tunnel
