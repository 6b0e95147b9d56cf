/*
 * A ptrace() under user-mode Linux, for processors whose registers take more room than it knows of. uml_run.sh preloads it.
 *
 * The real kernel takes a process's extended registers (PTRACE_SETREGSET, NT_X86_XSTATE) as a whole or not at all (EFAULT).
 * User-mode Linux 6.1 always gives 2696 bytes, which end after AVX-512 and protection keys. Where the processor has AMX a
 * whole is 11008 bytes, so that it panicked at its first program. Here zeros follow what it gives, of which the real kernel
 * takes as many as it wants: none on a processor without AMX. They change nothing, for the header in the given part says
 * which registers are in use, and AMX's never are: a process has to ask the real kernel for them, which no system call of
 * a program in the machine reaches.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Not on the stack: that of a thread in user-mode Linux's kernel is small. One such thread at a time sets registers. */
static char registers[1 << 16];

typedef long (*ptrace_function)(enum __ptrace_request, ...);
static ptrace_function real_ptrace;

/* Before user-mode Linux runs, whose kernel is no place to look up symbols. */
__attribute__((constructor)) static void find_real_ptrace(void)
{
    *(void **)&real_ptrace = dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    long process = va_arg(arguments, long);
    void *address = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);

    if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE) {
        const struct iovec *given = data;
        if (given->iov_len < sizeof registers) {
            /* What follows is zero still, for the length is the same in all calls. */
            memcpy(registers, given->iov_base, given->iov_len);
            struct iovec whole = {registers, sizeof registers};
            return real_ptrace(request, process, address, &whole);
        }
    }
    return real_ptrace(request, process, address, data);
}
