// Files for this user's eyes only: private keys.
#pragma once
#include <string_view>

#include "base/result.h"
#include "os/file.h"

namespace plume::os {

// Makes the file, which must not exist (kExists), readable and writable by this user alone from its first
// instant: by mode 600, or an access list with one entry. (Wine lets the user's group read such a file; the
// launcher closes it.) Flushed.
Status WriteNewPrivate(const Path& path, std::string_view text);

}  // namespace plume::os
