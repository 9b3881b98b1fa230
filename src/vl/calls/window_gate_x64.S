// The gates of calls/window_gates.inc: each is jumped to from a stub of win32u with the stack and registers of the
// call. The arguments are put side by side (the caller's home area lies directly below the others), the decision is
// asked for, and then either the original is jumped to with everything as it was, or the call is answered.
    .text
    .globl plume_gate_decide
    .def plume_gate_common; .scl 2; .type 32; .endef
    .seh_proc plume_gate_common
plume_gate_common:
    subq $0x48, %rsp
    .seh_stackalloc 0x48
    .seh_endprologue
    movq %rcx, 0x50(%rsp)
    movq %rdx, 0x58(%rsp)
    movq %r8, 0x60(%rsp)
    movq %r9, 0x68(%rsp)
    movl %eax, %ecx
    leaq 0x50(%rsp), %rdx
    leaq 0x30(%rsp), %r8
    call plume_gate_decide
    testq %rax, %rax
    jz .Lrefused
    movq 0x50(%rsp), %rcx
    movq 0x58(%rsp), %rdx
    movq 0x60(%rsp), %r8
    movq 0x68(%rsp), %r9
    addq $0x48, %rsp
    jmp *%rax
.Lrefused:
    movq 0x30(%rsp), %rax
    addq $0x48, %rsp
    ret
    .seh_endproc

    .set gate_index, 0
    .macro gate name
    .globl plume_gate_\name
    .balign 16
plume_gate_\name:
    movl $gate_index, %eax
    jmp plume_gate_common
    .set gate_index, gate_index + 1
    .endm
#define PLUME_GATE(name, ...) gate name
#define PLUME_GATE_ON_WINDOWS(name, ...) gate name
#include "vl/calls/window_gates.inc"

// Entries through which hook procedures are called (window_hook_calls.h), 16 bytes each.
    .balign 16
    .globl plume_gate_thunks
plume_gate_thunks:
    .rept 64
    .balign 16
    movl $gate_index, %eax
    jmp plume_gate_common
    .set gate_index, gate_index + 1
    .endr
