// One call of every space for trace.sh to find.
#pragma once

// Prints what went wrong; 0 if nothing did. `outside`: a process that is not in the VM.
int TouchSpaces(unsigned long outside);
