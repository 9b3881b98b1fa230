// Verbs about the agent itself, applications and the cache.
#include "agent/agent.h"
#include "agent/text.h"
#include "agent/win/machine.h"

namespace plume::agent {
namespace {

constexpr ULONGLONG kStopPatienceMillis = 5000;

Json Describe(const cache::ImageStatus& s) {
  return Json{{"digest", s.digest},
              {"files", s.files},
              {"bytes", s.bytes},
              {"total_files", s.total_files},
              {"total_bytes", s.total_bytes},
              {"offline", s.offline}};
}

Json Describe(const cache::VerifyReport& report) {
  Json bad = Json::array();
  for (const cache::BadFile& b : report.bad)
    bad.push_back({{"image", b.digest}, {"path", b.path}, {"why", b.why}});
  return Json{{"files", report.files}, {"bytes", report.bytes}, {"bad", std::move(bad)}};
}

cache::Progress Forward(const OnProgress& progress, const char* what) {
  return [progress, what, last = uint64_t{0}](uint64_t done, uint64_t total) mutable {
    // A frame per file would cost more than hashing small ones.
    if (const ULONGLONG now = GetTickCount64(); now - last >= 100 || done == total) {
      last = now;
      progress({what, done, total});
    }
    return true;
  };
}

}  // namespace

Result<Json> Agent::AgentStatus(Session&, const Json&) {
  return Json{{"pid", GetCurrentProcessId()},
              {"state", ToUtf8(state_.root())},
              {"system", SystemVersionText()},
              {"uptime_seconds", (GetTickCount64() - started_) / 1000},
              {"clients", clients_.load()}};
}

Result<Json> Agent::AgentStop(Session&, const Json& args) {
  // First nobody new comes in, and requests under way are waited for: one of them may be preparing a VM.
  ending_ = true;
  for (ULONGLONG end = GetTickCount64() + kStopPatienceMillis; requests_ > 1 && GetTickCount64() < end;)
    Sleep(5);
  if (vms_->AnyInUse() && !OptionalBool(args, "force")) {
    ending_ = false;
    return Error{Errc::kBusy,
                 "stopping the agent failed: VMs are running (stop them first, see plume vm list)"};
  }
  stopping_ = true;
  return Json::object();
}

Result<Json> Agent::Overview(Session& session, const Json& args) {
  ASSIGN(Json out, AgentStatus(session, args));
  ASSIGN(out["applications"], AppList(session, args));
  ASSIGN(out["vms"], VmList(session, args));
  ASSIGN(out["cache"], CacheStatus(session, args));
  return out;
}

Result<Json> Agent::AppAdd(Session& session, const Json& args) {
  ASSIGN(const std::string subscription, RequiredString(args, "subscription"));
  ASSIGN(const AppRecord app, apps_->Add(subscription,
                                         {.allow_unsigned = OptionalBool(args, "allow_unsigned"),
                                          .allow_older = OptionalBool(args, "allow_older")},
                                         session.progress));
  Json out = Describe(app);
  if (const auto config = apps_->ConfigOf(app.digest); config.ok()) {
    Json entries = Json::array();
    for (const image::EntryPoint& e : config->entry_points)
      entries.push_back({{"id", e.id}, {"name", e.name}, {"path", e.path}});
    out["entries"] = std::move(entries);
    out["files"] = config->file_count;
    out["bytes"] = config->byte_count;
  }
  return out;
}

Result<Json> Agent::AppList(Session&, const Json&) {
  Json out = Json::array();
  for (const AppRecord& app : apps_->List()) out.push_back(Describe(app));
  return out;
}

Result<Json> Agent::AppUpdate(Session& session, const Json& args) {
  const std::string name = OptionalString(args, "name");
  std::vector<std::string> names;
  if (!name.empty())
    names.push_back(name);
  else
    for (const AppRecord& app : apps_->List()) names.push_back(app.name);
  Json out = Json::array();
  for (const std::string& n : names) {
    bool changed = false;
    std::string warning;
    const auto app =
        apps_->Update(n, OptionalBool(args, "allow_older"), &changed, &warning, session.progress);
    if (!app.ok()) {
      if (!name.empty()) return app.error();
      out.push_back({{"name", n}, {"error", app.error().message}});  // the others are updated all the same
      continue;
    }
    Json row = Describe(*app);
    row["changed"] = changed;
    if (!warning.empty()) row["warning"] = warning;
    integrations_->Renew(app->name, app->digest);
    out.push_back(std::move(row));
  }
  CollectImages();
  return out;
}

Result<Json> Agent::AppRemove(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const AppRecord app, apps_->Find(name));
  Json kept = Json::array();
  for (const VmRecord& vm : vms_->List()) {
    if (!SameName(vm.application, app.name)) continue;
    if (vms_->InUse(vm.id)) {
      return Error{Errc::kBusy, "removing '" + app.name +
                                    "' failed: it is running (close it, or plume vm stop " + vm.name + ")"};
    }
    kept.push_back(vm.name);
  }
  const bool integrated = integrations_->Find(app.name).has_value();
  if (integrated) TRY(integrations_->Unintegrate(app.name));
  TRY(apps_->Remove(app.name));
  CollectImages();
  return Json{{"name", app.name}, {"kept_vms", std::move(kept)}};
}

Result<Json> Agent::CacheStatus(Session&, const Json&) {
  ASSIGN(const std::vector<cache::ImageStatus> images, cache_->ImageStatuses());
  Json rows = Json::array();
  for (const cache::ImageStatus& s : images) {
    Json row = plume::agent::Describe(s);
    for (const AppRecord& app : apps_->List())
      if (app.digest == s.digest) row["application"] = app.name;
    rows.push_back(std::move(row));
  }
  const cache::Counters c = cache_->counters();
  return Json{{"images", std::move(rows)},
              {"requests", c.requests},
              {"bytes", c.bytes},
              {"files_fetched", c.files_fetched},
              {"files_reused", c.files_reused},
              {"bytes_reused", c.bytes_reused},
              {"joined", c.joined},
              {"refused", c.refused},
              {"files_patched", c.files_patched}};
}

Result<Json> Agent::CacheVerify(Session& session, const Json&) {
  ASSIGN(const cache::VerifyReport report, cache_->Verify(Forward(session.progress, "verifying")));
  return plume::agent::Describe(report);
}

Result<Json> Agent::CacheRepair(Session& session, const Json&) {
  // Missing files can only be fetched again if their repositories are known.
  for (const std::string& digest : apps_->Wanted()) (void)apps_->Attach(digest);
  ASSIGN(const cache::VerifyReport report, cache_->Repair(Forward(session.progress, "repairing")));
  return plume::agent::Describe(report);
}

// Makes one file of a VM's images present, or with "app" a whole image.
Result<Json> Agent::HydratePath(Session& session, const Json& args) {
  if (const std::string app_name = OptionalString(args, "app"); !app_name.empty()) {
    ASSIGN(const AppRecord app, apps_->Find(app_name));
    TRY(apps_->Attach(app.digest));
    TRY(cache_->Complete(app.digest, Forward(session.progress, "fetching")));
    return Json{{"digest", app.digest}};
  }
  ASSIGN(const std::string vm, RequiredString(args, "vm"));
  ASSIGN(const std::string path, RequiredString(args, "path"));
  ASSIGN(const auto space, vms_->Space(vm));
  ASSIGN(const std::u16string clean, CleanPath(ToUtf16(path)));
  ASSIGN(const Located at, space->LocateFile(clean));
  if (at.place == Place::kNone)
    return Error{Errc::kNotFound, "fetching " + path + " failed: the VM has no such file"};
  if (at.place == Place::kImage) TRY(cache_->EnsureFile(space->LayerDigest(at.layer), at.entry));
  return Json{{"real", ToUtf8(at.real)}};
}

}  // namespace plume::agent
