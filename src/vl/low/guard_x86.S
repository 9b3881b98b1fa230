// int plume_guarded_copy(void* to, const void* from, size_t n), cdecl: 1 if copied, 0 if an access faulted.
// int plume_guarded_touch(void* at), cdecl: 1 if the byte can be written, 0 if that faulted; it keeps its value.
// A frame on the thread's exception chain; its handler moves execution to the failure exit, which the frame names.
    .text
    .globl _plume_guarded_copy
    .def _plume_guarded_copy; .scl 2; .type 32; .endef
_plume_guarded_copy:
    pushl %edi
    pushl %esi
    movl 12(%esp), %edi
    movl 16(%esp), %esi
    movl 20(%esp), %ecx
    pushl $.Lfault
    pushl $.Lhandler
    pushl %fs:0
    movl %esp, %fs:0
    rep movsb
    movl $1, %eax
.Lout:
    popl %fs:0
    addl $8, %esp
    popl %esi
    popl %edi
    ret
.Lfault:
    xorl %eax, %eax
    jmp .Lout

    .globl _plume_guarded_touch
    .def _plume_guarded_touch; .scl 2; .type 32; .endef
_plume_guarded_touch:
    movl 4(%esp), %ecx
    pushl $.Ltouch_fault
    pushl $.Lhandler
    pushl %fs:0
    movl %esp, %fs:0
    lock orb $0, (%ecx)
    movl $1, %eax
.Ltouch_out:
    popl %fs:0
    addl $8, %esp
    ret
.Ltouch_fault:
    xorl %eax, %eax
    jmp .Ltouch_out

// EXCEPTION_DISPOSITION handler(record, frame, context, dispatcher): continue at the frame's exit with its stack.
.Lhandler:
    movl 4(%esp), %eax
    testl $6, 4(%eax)            // unwinding: let it pass
    jnz .Lpass
    movl 12(%esp), %eax
    movl 8(%esp), %ecx
    movl 8(%ecx), %edx           // the exit
    movl %edx, 0xb8(%eax)        // CONTEXT.Eip
    movl %ecx, 0xc4(%eax)        // CONTEXT.Esp
    xorl %eax, %eax              // ExceptionContinueExecution
    ret
.Lpass:
    movl $1, %eax                // ExceptionContinueSearch
    ret
