// Builds the catalog of an image that holds a folder's files, for the file differential test.
//   file_catalog --folder FOLDER --as VIRTUAL_FOLDER --out FILE      (VIRTUAL_FOLDER on drive C:)
// No chunks are stored: the driver puts the files where the agent would put hydrated ones.
#include <windows.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "catalog/writer.h"

namespace {

using plume::catalog::FileNode;

int64_t Time(const FILETIME& t) { return static_cast<int64_t>(t.dwHighDateTime) << 32 | t.dwLowDateTime; }
std::u16string U16(const std::wstring& text) { return std::u16string(text.begin(), text.end()); }

bool Add(const std::wstring& folder, const std::wstring& as, plume::catalog::Input* input) {
  WIN32_FIND_DATAW found;
  HANDLE find = FindFirstFileW((folder + L"\\*").c_str(), &found);
  if (find == INVALID_HANDLE_VALUE) return false;
  bool ok = true;
  do {
    const std::wstring name = found.cFileName;
    if (name == L"." || name == L"..") continue;
    FileNode node;
    node.root = "C";
    node.path = U16(as + L"\\" + name);
    node.directory = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    // By handle: Wine's listings call names that begin with a dot hidden.
    HANDLE file = CreateFileW((folder + L"\\" + name).c_str(), FILE_READ_ATTRIBUTES, 7, nullptr,
                              OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
    BY_HANDLE_FILE_INFORMATION info{};
    ok &= GetFileInformationByHandle(file, &info) != 0;
    CloseHandle(file);
    node.attributes = info.dwFileAttributes;
    node.created = Time(found.ftCreationTime);
    node.modified = Time(found.ftLastWriteTime);
    node.short_name = U16(found.cAlternateFileName);
    if (!node.directory && found.nFileSizeLow) {
      node.size = found.nFileSizeLow;
      plume::catalog::ChunkNode chunk;
      chunk.size = chunk.stored = found.nFileSizeLow;
      node.chunks.push_back(static_cast<uint32_t>(input->chunks.size()));
      // Any names will do, as long as they differ.
      const auto number = static_cast<uint32_t>(input->chunks.size()) + 1;
      std::memcpy(node.content.data(), &number, sizeof number);
      chunk.digest = node.content;
      chunk.offset = uint64_t{number} << 20;
      input->chunks.push_back(chunk);
    }
    input->files.push_back(node);
    if (node.directory) ok &= Add(folder + L"\\" + name, as + L"\\" + name, input);
  } while (FindNextFileW(find, &found));
  FindClose(find);
  return ok;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  std::wstring folder, as, out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::wstring option = argv[i];
    if (option == L"--folder") folder = argv[i + 1];
    if (option == L"--as") as = argv[i + 1];
    if (option == L"--out") out = argv[i + 1];
  }
  plume::catalog::Input input;
  if (as.size() < 4 || !Add(folder, as.substr(3), &input)) {
    std::fprintf(stderr, "file_catalog: %ls cannot be read\n", folder.c_str());
    return 1;
  }
  input.packs.push_back({{}, 1ull << 40});
  const auto bytes = plume::catalog::Write(input);
  if (!bytes.ok()) {
    std::fprintf(stderr, "file_catalog: %s\n", bytes.error().message.c_str());
    return 1;
  }
  FILE* file = _wfopen(out.c_str(), L"wb");
  if (!file || std::fwrite(bytes->data(), 1, bytes->size(), file) != bytes->size() || std::fclose(file) != 0)
    return 1;
  return 0;
}
