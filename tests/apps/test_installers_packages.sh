#!/bin/bash
# The rest of test_installers.sh: Windows Installer packages, archives, INF files.
exec "$(dirname "$0")/test_installers.sh" '^(msi|zip|7z|inf)-'
