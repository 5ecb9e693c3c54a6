// Messages made one after the other on one arena and let go together: what a command tells, and the
// commands of an entry. Making one and letting it go costs a fraction of what it costs on the heap.
//
// Owner: whoever made the list; one thread at a time. References and views of it live until clear()
// or the list's end.
#pragma once

#include <google/protobuf/arena.h>

#include <array>
#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <vector>

namespace fallow::core {

// Goes over messages by their addresses.
template <class Message>
class MessageIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Message;
  using difference_type = std::ptrdiff_t;
  using pointer = const Message*;
  using reference = const Message&;

  MessageIterator() = default;
  explicit MessageIterator(Message* const* at) : at_(at) {}

  reference operator*() const { return **at_; }
  pointer operator->() const { return *at_; }
  MessageIterator& operator++() {
    ++at_;
    return *this;
  }
  MessageIterator operator++(int) { return MessageIterator(at_++); }
  bool operator==(const MessageIterator&) const = default;

 private:
  Message* const* at_ = nullptr;
};

// Some messages of a list, in order.
template <class Message>
class MessageSpan {
 public:
  MessageSpan() = default;
  explicit MessageSpan(std::span<Message* const> messages) : messages_(messages) {}

  std::size_t size() const { return messages_.size(); }
  bool empty() const { return messages_.empty(); }
  const Message& operator[](std::size_t i) const { return *messages_[i]; }
  const Message& front() const { return *messages_.front(); }
  const Message& back() const { return *messages_.back(); }
  MessageIterator<Message> begin() const { return MessageIterator<Message>(messages_.data()); }
  MessageIterator<Message> end() const {
    return MessageIterator<Message>(messages_.data() + messages_.size());
  }
  MessageSpan subspan(std::size_t from) const { return MessageSpan(messages_.subspan(from)); }
  MessageSpan subspan(std::size_t from, std::size_t count) const {
    return MessageSpan(messages_.subspan(from, count));
  }

 private:
  std::span<Message* const> messages_;
};

template <class Message>
class MessageList {
 public:
  MessageList() : memory_(std::make_unique<Memory>()) {}
  // Copies of these.
  explicit MessageList(std::span<const Message> messages) : MessageList() {
    for (const Message& message : messages) push_back(message);
  }
  MessageList(MessageList&&) noexcept = default;
  MessageList& operator=(MessageList&&) noexcept = default;

  Message& emplace_back() {
    return *messages_.emplace_back(
        google::protobuf::Arena::CreateMessage<Message>(&memory_->arena));
  }
  void push_back(const Message& message) { emplace_back() = message; }
  // Lets all go; the first memory stays for the next.
  void clear() {
    messages_.clear();
    memory_->arena.Reset();
  }

  std::size_t size() const { return messages_.size(); }
  bool empty() const { return messages_.empty(); }
  const Message& operator[](std::size_t i) const { return *messages_[i]; }
  const Message& at(std::size_t i) const { return *messages_.at(i); }
  const Message& front() const { return *messages_.front(); }
  const Message& back() const { return *messages_.back(); }
  MessageIterator<Message> begin() const { return view().begin(); }
  MessageIterator<Message> end() const { return view().end(); }
  MessageSpan<Message> view() const { return MessageSpan<Message>(std::span(messages_)); }
  operator MessageSpan<Message>() const { return view(); }

 private:
  struct Memory {
    Memory() : arena(options_over(first)) {}
    static google::protobuf::ArenaOptions options_over(std::array<char, 8'192>& first) {
      google::protobuf::ArenaOptions options;
      options.initial_block = first.data();
      options.initial_block_size = first.size();
      options.start_block_size = 32'768;
      options.max_block_size = 1'048'576;
      return options;
    }
    alignas(std::max_align_t) std::array<char, 8'192> first;  // of which small lists are made
    google::protobuf::Arena arena;
  };
  std::unique_ptr<Memory> memory_;
  std::vector<Message*> messages_;
};

}  // namespace fallow::core
