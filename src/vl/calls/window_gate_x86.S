// As window_gate_x64.S, for stdcall: the arguments lie on the stack, and who answers takes them off it.
    .text
    .globl _plume_gate_decide
plume_gate_common:                  // index, return address, arguments
    subl $8, %esp                   // the answer: value, bytes to take off
    movl %esp, %eax
    leal 16(%esp), %ecx
    movl 8(%esp), %edx
    pushl %eax
    pushl %ecx
    pushl %edx
    call _plume_gate_decide
    addl $12, %esp
    testl %eax, %eax
    jz .Lrefused
    addl $12, %esp
    jmp *%eax
.Lrefused:
    movl (%esp), %eax
    movl 4(%esp), %ecx
    addl $12, %esp
    popl %edx
    addl %ecx, %esp
    jmp *%edx

    .set gate_index, 0
    .macro gate name
    .globl _plume_gate_\name
    .balign 16
_plume_gate_\name:
    pushl $gate_index
    jmp plume_gate_common
    .set gate_index, gate_index + 1
    .endm
#define PLUME_GATE(name, ...) gate name
#define PLUME_GATE_ON_WINDOWS(name, ...) gate name
#include "vl/calls/window_gates.inc"

// Entries through which hook procedures are called (window_hook_calls.h), 16 bytes each.
    .balign 16
    .globl _plume_gate_thunks
_plume_gate_thunks:
    .rept 64
    .balign 16
    pushl $gate_index
    jmp plume_gate_common
    .set gate_index, gate_index + 1
    .endr
