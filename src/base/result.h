// Result<T> and Error: errors are values. Hosted code only (the VL speaks NTSTATUS and plain enums).
//
// An Error says what kind of failure it is (code: what callers branch on) and, in words fit for a user, WHAT
// failed and WHY. The command line prints it as one line: "plume: WHAT failed: WHY (how to go on)".
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace plume {

enum class Errc : uint8_t {
  kNotFound,     // the named thing does not exist
  kExists,       // it exists already
  kInvalid,      // bad input: the user's, or a malformed file
  kCorrupt,      // stored or received bytes are not what their name says
  kDenied,       // refused by permission or policy
  kBusy,         // in use; trying later may help
  kNoSpace,      // disk full
  kUnreachable,  // network or server not there; trying later may help
  kUnsupported,  // not possible on this system
  kInternal,     // a defect of Plume
};

struct Error {
  Errc code = Errc::kInternal;
  std::string message;  // "WHAT failed: WHY (how to go on)" without the leading "plume: "

  // The same error seen from one level up: "opening catalog: <message>".
  Error In(const std::string& what) const { return Error{code, what + ": " + message}; }
};

// Success with a T, or an Error. T may be void.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;
inline Status Ok() { return Status(); }

}  // namespace plume

#define PLUME_CONCAT_(a, b) a##b
#define PLUME_CONCAT(a, b) PLUME_CONCAT_(a, b)
// TRY(expr): returns the error from the enclosing function. ASSIGN(decl, expr): also binds the value.
#define TRY(expr)                                                       \
  do {                                                                  \
    if (auto try_ = (expr); !try_.ok()) return std::move(try_).error(); \
  } while (false)
#define ASSIGN(decl, expr) ASSIGN_(PLUME_CONCAT(assign_, __LINE__), decl, expr)
#define ASSIGN_(tmp, decl, expr)                \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  decl = std::move(*tmp)
