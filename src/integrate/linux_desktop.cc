#include "integrate/linux_desktop.h"

#include <algorithm>

#include "base/utf16.h"
#include "view/path.h"

namespace plume::integrate {
namespace {

std::string Lower(std::u16string_view text) {
  std::string out = ToUtf8(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// One line of a key file: what would end it or start an escape is escaped.
std::string Line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else
      out += c;
  }
  return out;
}

std::string Xml(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20)
      out += c;
  }
  return out;
}

// Part of a file's name or MIME type's: letters, digits, dots, dashes.
std::string Plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool fits =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    out += fits ? c : '_';
  }
  return out;
}

bool IsMimeType(const std::string& text) {
  const size_t slash = text.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < text.size() &&
         text.find_first_of(" ;\"<>\n") == std::string::npos &&
         text.find('/', slash + 1) == std::string::npos;
}

std::string MimeOf(const FileType& type) {
  const std::string given = Lower(type.content_type);
  return IsMimeType(given) ? given : "application/x-plume-" + Plain(Lower(type.extension).substr(1));
}

class Maker {
 public:
  explicit Maker(const DesktopInput& input)
      : in_(input), app_(*input.application), name_(ToUtf8(input.application->name)) {}

  std::vector<DesktopFile> Run() {
    for (const Entry& e : app_.entries)
      if (e.in_menu || e.on_desktop) AddEntry(e);
    // Of each class the types and protocols of which it is the preferred one; conflicts are the desktop's to
    // settle, which asks the user and keeps his choice.
    for (const DocumentClass& c : app_.associations.classes) AddClass(c);
    AddPackage();
    return std::move(out_);
  }

 private:
  std::string Exec(const std::string& rest) const {
    std::string out = "env " + QuoteExec("PLUME_WINEPREFIX=" + in_.desktop.prefix) + " ";
    if (!in_.state.empty()) out += QuoteExec("PLUME_HOME=" + in_.state) + " ";
    return out + QuoteExec(in_.desktop.launcher) + " run " + QuoteExec(name_) + " " + rest;
  }
  void Add(const std::string& id, const std::string& title, const std::string& exec, const std::string& mime,
           bool shown) {
    std::string text =
        "[Desktop Entry]\nType=Application\nVersion=1.5\nName=" + Line(title) + "\nExec=" + Line(exec) + "\n";
    if (!in_.icon.empty()) text += "Icon=" + Line(in_.icon) + "\n";
    if (!mime.empty()) text += "MimeType=" + Line(mime) + "\n";
    if (!shown) text += "NoDisplay=true\n";
    text += "Terminal=false\nX-Plume-Application=" + Line(name_) + "\n";
    out_.push_back({"applications/plume-" + Plain(name_) + "-" + Plain(id) + ".desktop", text});
  }
  void AddEntry(const Entry& e) {
    Add("entry-" + ToUtf8(e.id), ToUtf8(e.name), Exec("--entry " + QuoteExec(ToUtf8(e.id))), "", true);
  }
  void AddClass(const DocumentClass& c) {
    std::string mime;
    for (const FileType& t : app_.associations.types)
      if (view::EqualFolded(t.classes.front(), c.name)) mime += MimeOf(t) + ";";
    bool urls = false;
    for (const std::u16string& p : app_.associations.protocols) {
      if (!view::EqualFolded(p, c.name)) continue;
      mime += "x-scheme-handler/" + Lower(p) + ";";
      urls = true;
    }
    if (mime.empty()) return;
    Add("class-" + ToUtf8(c.name), ToUtf8(app_.display_name),
        Exec("--class " + QuoteExec(ToUtf8(c.name)) + " --open " + (urls ? "%u" : "%f")), mime, false);
  }
  void AddPackage() {
    std::string rows;
    for (const FileType& t : app_.associations.types) {
      const DocumentClass* c = app_.associations.FindClass(t.classes.front());
      const std::string comment = c->description.empty() ? ToUtf8(app_.display_name) : ToUtf8(c->description);
      rows += "  <mime-type type=\"" + Xml(MimeOf(t)) + "\">\n    <comment>" + Xml(comment) +
              "</comment>\n    <glob pattern=\"*" + Xml(Lower(t.extension)) +
              "\" weight=\"40\"/>\n  </mime-type>\n";
    }
    if (rows.empty()) return;
    out_.push_back({"mime/packages/plume-" + Plain(name_) + ".xml",
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<mime-info xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\">\n" +
                        rows + "</mime-info>\n"});
  }

  const DesktopInput& in_;
  const Application& app_;
  const std::string name_;
  std::vector<DesktopFile> out_;
};

}  // namespace

std::string QuoteExec(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string("_-./:=+,@").find(c) != std::string::npos;
  });
  std::string out = plain ? "" : "\"";
  for (const char c : argument) {
    if (c == '%')
      out += "%%";
    else if (!plain && (c == '"' || c == '`' || c == '$' || c == '\\'))
      out += std::string("\\") + c;
    else
      out += c;
  }
  return plain ? out : out + "\"";
}

std::vector<DesktopFile> DesktopFiles(const DesktopInput& input) { return Maker(input).Run(); }

}  // namespace plume::integrate
