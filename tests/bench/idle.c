/* A small program that lives until it is told to end: it signals its standard output, an event, as its first
 * act, and waits for its standard input, another one. */
#include <windows.h>
void __stdcall start(void) {
  SetEvent(GetStdHandle(STD_OUTPUT_HANDLE));
  WaitForSingleObject(GetStdHandle(STD_INPUT_HANDLE), INFINITE);
  ExitProcess(7);
}
