// Which applications are integrated into the user's desktop, and doing and undoing it. Windows. Thread-safe.
//
// integrations\<application>.json says what was written for one application (integrate/record.h); it is on
// the disk before anything else is written, so that whatever a crash leaves half done can still be taken
// back.
#pragma once
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/state.h"
#include "base/result.h"
#include "integrate/linux_desktop.h"
#include "integrate/record.h"

namespace plume::agent {

class Integrations {
 public:
  // Makes a file of an application's image present: "C:\x" as the guest sees it -> the real file.
  using Fetch =
      std::function<Result<std::u16string>(const std::string& application, const std::u16string& path)>;
  struct Source {
    integrate::Application application;
    std::string digest;
  };
  using Describe = std::function<Result<Source>(const std::string& application)>;

  Integrations(const StatePaths& state, Describe describe, Fetch fetch)
      : state_(state), describe_(std::move(describe)), fetch_(std::move(fetch)) {}
  // Reads the records; what is damaged is an error that names it.
  Status Load();

  // Integrates, or brings what is integrated up to date. `take`, `desktop`: as the record keeps them.
  Result<integrate::Record> Integrate(const std::string& application, const std::vector<std::string>& take,
                                      const std::optional<integrate::LinuxDesktop>& desktop);
  // The same again, if the application is integrated and its image is another than then. Errors go to the
  // log.
  void Renew(const std::string& application, const std::string& digest);
  // kNotFound if it is not integrated.
  Status Unintegrate(const std::string& application);

  std::optional<integrate::Record> Find(const std::string& application) const;
  // Keys made for integrated applications, as in their records: programs in VMs must not see them, because
  // what they name is the client's and not the VM's. Never waits for Integrate.
  std::vector<std::u16string> Keys() const;
  // Whether the application has a record now. Never waits for Integrate either.
  bool IsIntegrated(const std::string& application) const;

 private:
  std::u16string FileOf(const std::string& application) const;
  const integrate::Record* FindLocked(const std::string& application) const;
  Result<integrate::Record> IntegrateLocked(const std::string& application,
                                            const std::vector<std::string>& take,
                                            const std::optional<integrate::LinuxDesktop>& desktop);
  Status Apply(const Source& source, const integrate::Plan& plan, integrate::Record* record);
  Status Save(const integrate::Record& record) const;
  void TakeBackLocked(const integrate::Record& record);
  Status UpdateSearchPathLocked() const;
  void UpdateKnownLocked();

  const StatePaths& state_;
  const Describe describe_;
  const Fetch fetch_;
  mutable std::mutex mutex_;
  std::vector<integrate::Record> records_;
  mutable std::mutex known_mutex_;  // for what follows from records_
  std::vector<std::u16string> keys_;
  std::vector<std::string> applications_;
};

}  // namespace plume::agent
