// Random bytes from the operating system; fit for names, tokens and keys.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace plume::os {

void RandomBytes(std::span<uint8_t> out);
uint64_t RandomNumber();
std::string RandomHex(int bytes);  // 2 * bytes digits

}  // namespace plume::os
