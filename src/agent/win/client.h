// The way to the agent for programs outside VMs: finds it, starts it if need be, asks it. Windows.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "agent/control.h"
#include "agent/state.h"
#include "agent/win/pipe.h"
#include "base/result.h"

namespace plume::agent {

// Where a starting agent says why it cannot.
std::wstring FailureFile(const StatePaths& state);

// Connects. Starts the agent if there is none, unless `start` is false (then kNotFound).
Result<std::unique_ptr<Connection>> ConnectAgent(const StatePaths& state, bool start = true);

class Client {
 public:
  explicit Client(StatePaths state) : state_(std::move(state)) {}
  const StatePaths& state() const { return state_; }
  // Asks; connects first if needed, and again if the agent ended or died meanwhile.
  Result<Json> Call(std::string_view verb, Json args,
                    const std::function<void(const Progress&)>& on_progress = nullptr);
  bool Alive() const;  // the connection stands

 private:
  StatePaths state_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace plume::agent
