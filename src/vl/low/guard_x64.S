// int plume_guarded_copy(void* to, const void* from, size_t n): 1 if copied, 0 if an access faulted.
// int plume_guarded_touch(void* at): 1 if the byte can be written, 0 if that faulted; it keeps its value.
// Scope tables with the constant filter EXCEPTION_EXECUTE_HANDLER; found through the function table that guard.cc
// registers, because the layer is not a loaded module.
    .text
// ntdll's own, which is reached by a pointer because the layer imports nothing.
plume_exception_handler:
    jmp *plume_c_specific_handler(%rip)

    .globl plume_guarded_copy
    .def plume_guarded_copy; .scl 2; .type 32; .endef
    .seh_proc plume_guarded_copy
plume_guarded_copy:
    pushq %rdi
    .seh_pushreg %rdi
    pushq %rsi
    .seh_pushreg %rsi
    subq $8, %rsp
    .seh_stackalloc 8
    .seh_endprologue
    movq %rcx, %rdi
    movq %rdx, %rsi
    movq %r8, %rcx
guarded_begin:
    rep movsb
guarded_end:
    movl $1, %eax
guarded_out:
    addq $8, %rsp
    popq %rsi
    popq %rdi
    ret
guarded_fault:
    xorl %eax, %eax
    jmp guarded_out
    .seh_handler plume_exception_handler, @except
    .seh_handlerdata
    .long 1
    .rva guarded_begin, guarded_end
    .long 1
    .rva guarded_fault
    .text
    .seh_endproc

    .globl plume_guarded_touch
    .def plume_guarded_touch; .scl 2; .type 32; .endef
    .seh_proc plume_guarded_touch
plume_guarded_touch:
    subq $8, %rsp
    .seh_stackalloc 8
    .seh_endprologue
touch_begin:
    lock orb $0, (%rcx)
touch_end:
    movl $1, %eax
touch_out:
    addq $8, %rsp
    ret
touch_fault:
    xorl %eax, %eax
    jmp touch_out
    .seh_handler plume_exception_handler, @except
    .seh_handlerdata
    .long 1
    .rva touch_begin, touch_end
    .long 1
    .rva touch_fault
    .text
    .seh_endproc
