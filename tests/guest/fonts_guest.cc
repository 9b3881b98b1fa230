// Says what this process knows of a font family.
//   fonts_guest FAMILY            known N, drawn as FACE
//   fonts_guest FAMILY add FILE   loads the file first, and takes it away afterwards: added N, ..., removed
//   N, known N
#include <windows.h>

#include <cstdio>
#include <string>

namespace {

int CALLBACK Count(const LOGFONTW*, const TEXTMETRICW*, DWORD, LPARAM count) {
  ++*reinterpret_cast<int*>(count);
  return 1;
}

int Known(const wchar_t* family) {
  LOGFONTW wanted = {};
  wanted.lfCharSet = DEFAULT_CHARSET;
  lstrcpynW(wanted.lfFaceName, family, LF_FACESIZE);
  const HDC dc = CreateCompatibleDC(nullptr);
  int count = 0;
  EnumFontFamiliesExW(dc, &wanted, Count, reinterpret_cast<LPARAM>(&count), 0);
  DeleteDC(dc);
  return count;
}

std::wstring DrawnAs(const wchar_t* family) {
  const HDC dc = CreateCompatibleDC(nullptr);
  const HFONT font = CreateFontW(20, 0, 0, 0, FW_NORMAL, 0, 0, 0, DEFAULT_CHARSET, 0, 0, 0, 0, family);
  SelectObject(dc, font);
  wchar_t face[LF_FACESIZE] = {};
  GetTextFaceW(dc, LF_FACESIZE, face);
  DeleteDC(dc);
  DeleteObject(font);
  return face;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  if (argc < 2) return 2;
  if (argc > 3) printf("added %d\n", AddFontResourceW(argv[3]));
  printf("drawn as %ls\n", DrawnAs(argv[1]).c_str());
  printf("known %s\n", Known(argv[1]) > 0 ? "yes" : "no");
  if (argc > 3) {
    printf("removed %d\n", RemoveFontResourceW(argv[3]) != 0);
    printf("then known %s\n", Known(argv[1]) > 0 ? "yes" : "no");
  }
  return 0;
}
