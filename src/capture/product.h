// Who the application says it is: its registration under "Uninstall" in the registry. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "image/content.h"

namespace plume::capture {

struct Product {
  std::u16string display_name, version, publisher;
  std::u16string icon;                       // program that shows the product's icon: often its main program
  std::u16string location;                   // installation folder, if registered
  std::vector<std::u16string> uninstallers;  // virtual paths of uninstall programs, of all registrations
};

// Reads every registration in `keys`; the one that fits the image's name best describes the product.
Product FindProduct(const std::vector<image::KeyItem>& keys, std::string_view image_name);

// The program of a command line: quoted, or up to the first ".exe" followed by a space or the end.
std::u16string ProgramOfCommand(std::u16string_view command);

// Letters and digits alone, folded: "7-Zip 15.05 (x64)" -> "7ZIP1505X64". For comparing names given by
// people.
std::u16string Letters(std::u16string_view text);

}  // namespace plume::capture
