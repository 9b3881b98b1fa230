/* The smallest program: what remains is what starting any program costs. */
__declspec(dllimport) __declspec(noreturn) void __stdcall ExitProcess(unsigned code);
void __stdcall start(void) { ExitProcess(7); }
