#include "capture/rules.h"

#include <string>

#include "capture/text.h"

namespace plume::capture {
namespace {

constexpr Scope kD = Scope::kDrive, kP = Scope::kProfile, kM = Scope::kMachineKey, kU = Scope::kUserKey;

constexpr std::string_view kTemporary = "temporary files";
constexpr std::string_view kSystemState = "state of this machine";
constexpr std::string_view kInstallerCache = "kept by an installer for repair and removal";
constexpr std::string_view kRollback = "left from an unfinished installation";
constexpr std::string_view kLog = "logs";
constexpr std::string_view kCrash = "crash dumps and error reports";
constexpr std::string_view kHistory = "history of the user's actions";
constexpr std::string_view kCache = "cache of the system";
constexpr std::string_view kUninstall = "uninstall registration";
constexpr std::string_view kRestart = "work planned for the next restart";

constexpr ResidueRule kRules[] = {
    // Files of a drive.
    {kD, u"Windows\\Temp\\*", kTemporary},
    {kD, u"Windows\\System32\\config\\systemprofile\\AppData\\Local\\Temp\\*", kTemporary},
    {kD, u"Windows\\assembly\\temp", kTemporary},
    {kD, u"**\\~nsu*.tmp", kTemporary},
    {kD, u"Windows\\Prefetch", kCache},
    {kD, u"Windows\\SoftwareDistribution", kCache},
    {kD, u"Windows\\ServiceProfiles", kSystemState},
    {kD, u"Windows\\System32\\config", kSystemState},
    {kD, u"Windows\\System32\\LogFiles", kLog},
    {kD, u"Windows\\System32\\winevt\\Logs", kLog},
    {kD, u"Windows\\System32\\catroot2", kCache},
    {kD, u"Windows\\System32\\sru", kSystemState},
    {kD, u"Windows\\System32\\wdi", kLog},
    {kD, u"Windows\\Logs", kLog},
    {kD, u"Windows\\Panther", kLog},
    {kD, u"Windows\\inf\\*.log", kLog},
    {kD, u"Windows\\*.log", kLog},
    {kD, u"Windows\\debug", kLog},
    {kD, u"Windows\\Minidump", kCrash},
    {kD, u"Windows\\LiveKernelReports", kCrash},
    {kD, u"Windows\\MEMORY.DMP", kCrash},
    {kD, u"Windows\\appcompat\\Programs", kSystemState},
    {kD, u"Windows\\Downloaded Installations", kInstallerCache},
    {kD, u"Windows\\Installer\\$PatchCache$", kInstallerCache},
    {kD, u"Windows\\Installer\\inprogressinstallinfo.ipi", kRollback},
    {kD, u"Windows\\Installer\\MSI*.tmp", kRollback},
    {kD, u"Windows\\Installer\\SourceHash*", kInstallerCache},
    {kD, u"Config.Msi", kRollback},
    {kD, u"MSOCache", kInstallerCache},
    {kD, u"Program Files*\\InstallShield Installation Information", kInstallerCache},
    {kD, u"ProgramData\\Package Cache", kInstallerCache},
    {kD, u"ProgramData\\Microsoft\\Windows\\WER", kCrash},
    {kD, u"ProgramData\\Microsoft\\Search\\Data", kCache},
    {kD, u"ProgramData\\Microsoft\\Diagnosis", kSystemState},
    {kD, u"ProgramData\\Microsoft\\Windows Defender", kSystemState},
    {kD, u"ProgramData\\USOShared", kLog},
    {kD, u"$Recycle.Bin", kSystemState},
    {kD, u"System Volume Information", kSystemState},
    {kD, u"pagefile.sys", kSystemState},
    {kD, u"swapfile.sys", kSystemState},
    {kD, u"hiberfil.sys", kSystemState},
    {kD, u"**\\Thumbs.db", kCache},
    // Files of the user's profile.
    {kP, u"AppData\\Local\\Temp\\*", kTemporary},
    {kP, u"Local Settings\\Temp\\*", kTemporary},
    {kP, u"Temp\\*", kTemporary},
    {kP, u"**\\~nsu*.tmp", kTemporary},
    {kP, u"AppData\\Local\\CrashDumps", kCrash},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\WER", kCrash},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\Explorer", kCache},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\INetCache", kCache},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\INetCookies", kHistory},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\Temporary Internet Files", kCache},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\WebCache", kCache},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\Caches", kCache},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\History", kHistory},
    {kP, u"AppData\\Local\\Microsoft\\Windows\\UsrClass.dat*", kSystemState},
    {kP, u"AppData\\Local\\D3DSCache", kCache},
    {kP, u"AppData\\Local\\IconCache.db", kCache},
    {kP, u"AppData\\LocalLow\\Microsoft\\CryptnetUrlCache", kCache},
    {kP, u"AppData\\Roaming\\Microsoft\\Windows\\Recent", kHistory},
    {kP, u"AppData\\Roaming\\Microsoft\\Windows\\Cookies", kHistory},
    {kP, u"AppData\\Roaming\\Microsoft\\Crypto", "keys of the user"},
    {kP, u"AppData\\Roaming\\Microsoft\\Protect", "keys of the user"},
    {kP, u"AppData\\Roaming\\Microsoft\\Credentials", "keys of the user"},
    {kP, u"AppData\\Local\\Microsoft\\Credentials", "keys of the user"},
    {kP, u"ntuser.dat*", kSystemState},
    {kP, u"ntuser.ini", kSystemState},
    {kP, u"**\\Thumbs.db", kCache},
    // Keys of the machine.
    {kM, u"Hardware", kSystemState},
    {kM, u"SAM", kSystemState},
    {kM, u"Security", kSystemState},
    {kM, u"System\\MountedDevices", kSystemState},
    {kM, u"System\\Select", kSystemState},
    {kM, u"System\\*\\Control\\hivelist", kSystemState},
    {kM, u"System\\*\\Control\\DeviceClasses", kSystemState},
    {kM, u"System\\*\\Control\\Session Manager\\AppCompatCache", kCache},
    {kM, u"System\\*\\Enum", kSystemState},
    {kM, u"System\\*\\Hardware Profiles", kSystemState},
    {kM, u"System\\*\\ServiceCurrent", kSystemState},
    {kM, u"System\\*\\Services\\bam", kHistory},
    {kM, u"System\\*\\Services\\EventLog\\State", kSystemState},
    {kM, u"System\\*\\Services\\Tcpip\\Parameters\\Interfaces", kSystemState},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\*", kUninstall},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\Shell Folders", kSystemState},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\RunOnce", kRestart},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\RunOnceEx", kRestart},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\RunServicesOnce", kRestart},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\InProgress", kRollback},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\Rollback", kRollback},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\TempPackages", kRollback},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing", kSystemState},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Diagnostics", kSystemState},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate", kSystemState},
    {kM, u"Software\\Microsoft\\Windows\\Windows Error Reporting", kCrash},
    {kM, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Prefetcher", kCache},
    {kM, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList", kSystemState},
    {kM, u"Software\\Microsoft\\Windows Search", kCache},
    {kM, u"Software\\Microsoft\\Tracing", kLog},
    {kM, u"Software\\Microsoft\\Cryptography\\RNG", kSystemState},
    {kM, u"Software\\Plume", "Plume's own state"},
    // Keys of the user.
    {kU, u"Volatile Environment", kSystemState},
    {kU, u"SessionInformation", kSystemState},
    {kU, u"Software\\Plume", "Plume's own state"},
    {kU, u"Software\\Wine", "settings of Wine itself"},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\*", kUninstall},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\RunOnce", kRestart},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Group Policy", kSystemState},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\\5.0\\Cache", kCache},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Applets\\*\\Recent File List", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Search", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\ComDlg32", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\FeatureUsage", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\Map Network Drive MRU", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\MountPoints2", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RecentDocs", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\RunMRU", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\Shell Folders", kSystemState},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\SessionInfo", kSystemState},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\StreamMRU", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\TypedPaths", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\UserAssist", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\WordWheelQuery", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\Shell\\BagMRU", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\Shell\\Bags", kHistory},
    {kU, u"Software\\Microsoft\\Windows\\ShellNoRoam", kHistory},
    {kU, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\AppCompatFlags\\Compatibility Assistant",
     kHistory},
    {kU, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Devices", kSystemState},
    {kU, u"Software\\Microsoft\\Windows NT\\CurrentVersion\\PrinterPorts", kSystemState},
    {kU, u"Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows\\Shell\\BagMRU", kHistory},
    {kU, u"Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows\\Shell\\Bags", kHistory},
    {kU, u"Software\\Classes\\Local Settings\\Software\\Microsoft\\Windows\\Shell\\MuiCache", kCache},
    {kU, u"Software\\Classes\\Local Settings\\MuiCache", kCache},
};

// Values that plan work for the next restart of this machine; their keys hold much else.
struct ValueRule {
  Scope scope;
  std::u16string_view key, value;
};
constexpr ValueRule kValueRules[] = {
    {kM, u"System\\*\\Control\\Session Manager", u"PendingFileRenameOperations*"},
    {kM, u"Software\\Microsoft\\Updates", u"UpdateExeVolatile"},
    {kM, u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer", u"InstallerLocation"},
};

}  // namespace

std::span<const ResidueRule> ResidueRules() { return kRules; }

std::u16string WithoutWow64(std::u16string_view key) {
  std::u16string out;
  for (const auto part : SplitPath(key)) {
    if (!SameFolded(part, u"Wow6432Node")) out = Join(out, part);
  }
  return out;
}

const ResidueRule* FindResidue(Scope scope, std::u16string_view path) {
  const bool key = scope == Scope::kMachineKey || scope == Scope::kUserKey;
  const std::u16string plain = key ? WithoutWow64(path) : std::u16string(path);
  for (const ResidueRule& rule : kRules) {
    if (rule.scope == scope && MatchPath(rule.pattern, plain)) return &rule;
  }
  return nullptr;
}

bool IsResidueValue(Scope scope, std::u16string_view key, std::u16string_view value) {
  const std::u16string plain = WithoutWow64(key);
  const size_t depth = SplitPath(plain).size();
  for (const ValueRule& rule : kValueRules) {
    // Of this very key, not of those below it.
    if (rule.scope == scope && SplitPath(rule.key).size() == depth && MatchPath(rule.key, plain) &&
        MatchName(rule.value, value)) {
      return true;
    }
  }
  return false;
}

bool IsCachedPackage(std::u16string_view drive_path) {
  return MatchPath(u"Windows\\Installer\\*.ms?", drive_path) && SplitPath(drive_path).size() == 3;
}

bool IsPackageSourceKey(std::u16string_view machine_key) {
  return MatchPath(u"Software\\Classes\\Installer\\Products\\*\\SourceList", machine_key);
}

bool IsPackageSourceValue(std::u16string_view machine_key, std::u16string_view value) {
  return (SameFolded(value, u"InstallSource") || SameFolded(value, u"LocalPackage")) &&
         MatchPath(
             u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\UserData\\*\\Products\\*"
             u"\\InstallProperties",
             machine_key);
}

bool IsUninstallKey(std::u16string_view key) {
  return MatchPath(u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall", WithoutWow64(key));
}

bool IsEnvironmentKey(Scope scope, std::u16string_view key) {
  if (scope == Scope::kUserKey) return SameFolded(key, u"Environment");
  return scope == Scope::kMachineKey && SplitPath(key).size() == 5 &&
         MatchPath(u"System\\*ControlSet*\\Control\\Session Manager\\Environment", key);
}

bool LooksLikeUninstaller(std::u16string_view name) {
  return ContainsFolded(name, u"uninst") || MatchName(u"unins???.*", name);
}

}  // namespace plume::capture
