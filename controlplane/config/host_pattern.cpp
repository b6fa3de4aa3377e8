// host_pattern.cpp: PCRE2 kept to a bounded effort, without memory of its own while it matches.
#include "controlplane/config/host_pattern.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace millrace {

namespace {

// Without JIT, PCRE2 keeps its backtracking points in frames: of so many KiB at first, which is all that they get.
constexpr uint32_t kFrameKib = 20;

// As gobetween's regular expressions: $ means the end alone, classes are of ASCII.
constexpr uint32_t kCompileOptions =
    PCRE2_CASELESS | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;

pcre2_code* code_of(void* code) { return static_cast<pcre2_code*>(code); }

std::string error_text(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

bool is_printable(char c) { return c >= ' ' && c < 0x7f; }

}  // namespace

// The matcher's allocator serves its construction; later it has one block for the frames, and then nothing.
struct HostMatcher::Memory {
  alignas(std::max_align_t) std::array<std::byte, size_t{kFrameKib} * 1024> frames;
  bool frames_taken = false;
  bool made = false;
  pcre2_general_context* general = nullptr;
  pcre2_match_context* limits = nullptr;
  pcre2_match_data* data = nullptr;

  ~Memory() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_general_context_free(general);
  }
  static void* allocate(size_t bytes, void* self) {
    Memory& memory = *static_cast<Memory*>(self);
    if (!memory.made) return std::malloc(bytes);
    if (memory.frames_taken || bytes > memory.frames.size()) return nullptr;
    memory.frames_taken = true;
    return memory.frames.data();
  }
  static void release(void* block, void* self) {
    Memory& memory = *static_cast<Memory*>(self);
    if (block == memory.frames.data())
      memory.frames_taken = false;
    else
      std::free(block);
  }
};

HostMatcher::HostMatcher() : memory_(std::make_unique<Memory>()) {
  Memory& memory = *memory_;
  memory.general = pcre2_general_context_create(Memory::allocate, Memory::release, &memory);
  if (memory.general == nullptr) throw std::bad_alloc();
  memory.limits = pcre2_match_context_create(memory.general);
  memory.data = pcre2_match_data_create(1, memory.general);  // whether it matched, not where
  memory.made = true;
  if (memory.limits == nullptr || memory.data == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(memory.limits, kMatchStepsMax);
  pcre2_set_depth_limit(memory.limits, kMatchStepsMax);
  pcre2_set_heap_limit(memory.limits, kFrameKib);
}

HostMatcher::~HostMatcher() = default;

HostPattern::~HostPattern() { pcre2_code_free(code_of(code_)); }

HostPattern::Compiled HostPattern::compile(HostMatching matching, std::string_view text) {
  if (text.empty()) return {nullptr, "it is empty"};
  if (text.size() >= kHostPatternBytes)
    return {nullptr,
            "it has " + std::to_string(text.size()) + " characters, at most " + std::to_string(kHostPatternBytes - 1) +
                " are possible",
            kHostPatternBytes - 1};
  const bool exact = matching == HostMatching::exact;
  const auto unfit = std::find_if_not(text.begin(), text.end(), exact ? is_name_character : is_printable);
  if (unfit != text.end())
    return {nullptr, exact ? "a name has letters, digits, '-', '_' and '.' alone" : "it must be of printable ASCII",
            static_cast<size_t>(unfit - text.begin())};

  std::shared_ptr<HostPattern> pattern(new HostPattern(text));
  if (exact) return {std::move(pattern), {}};
  int error = 0;
  PCRE2_SIZE offset = 0;
  pattern->code_ =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), kCompileOptions, &error, &offset, nullptr);
  if (pattern->code_ == nullptr) return {nullptr, error_text(error), offset};
  size_t code_bytes = 0;
  pcre2_pattern_info(code_of(pattern->code_), PCRE2_INFO_SIZE, &code_bytes);
  if (code_bytes > kPatternCodeBytesMax) return {nullptr, "its repetitions are too many", text.size()};
  // Where the host forbids writable and executable memory there is no JIT, and the pattern is interpreted.
  pcre2_jit_compile(code_of(pattern->code_), PCRE2_JIT_COMPLETE);
  return {std::move(pattern), {}};
}

bool HostPattern::matches(std::string_view host, HostMatcher& matcher) const {
  if (host.size() > kHostNameBytesMax) return false;
  if (code_ == nullptr) return host == text_;
  const HostMatcher::Memory& memory = *matcher.memory_;
  // 0 says that it matched, but not where: there is room for one pair of offsets. Limits are errors, below it.
  return pcre2_match(code_of(code_), reinterpret_cast<PCRE2_SPTR>(host.data()), host.size(), 0, 0, memory.data,
                     memory.limits) >= 0;
}

}  // namespace millrace
