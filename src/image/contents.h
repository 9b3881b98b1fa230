// What an image registers with the system, read from its catalog: classes, services, file types, protocols,
// fonts, scheduled tasks, drivers, assemblies. Pure.
#pragma once
#include <string>
#include <vector>

#include "catalog/reader.h"

namespace plume::image {

struct ComClass {
  std::string clsid, name;
  std::string server;     // "in process", "local", "service", "surrogate" or "handler"
  std::string file;       // DLL, command line or name of the service
  std::string threading;  // of a class in process; may be empty
  std::string prog_id;
  bool user = false, wow64 = false;  // registered for the user alone; in the 32-bit view
};
struct Service {
  std::string name, display_name, command;
  std::string start;  // "boot", "system", "automatic", "manual", "disabled"
  bool driver = false;
};
struct FileType {
  std::string extension, type, name, command;
};
struct Protocol {
  std::string scheme, command;
};
struct Font {
  std::string name, file;
};

struct Contents {
  std::vector<ComClass> com_classes;
  std::vector<Service> services, drivers;
  std::vector<FileType> file_types;
  std::vector<Protocol> protocols;
  std::vector<Font> fonts;
  std::vector<std::string> scheduled_tasks;
  std::vector<std::string> driver_files;  // *.sys
  // Side-by-side ones, shared ("WinSxS") and .NET's, by name; the application's own as "NAME in FOLDER".
  std::vector<std::string> assemblies;
};

// `catalog` must be verified.
Contents ReadContents(const catalog::Reader& catalog);

}  // namespace plume::image
