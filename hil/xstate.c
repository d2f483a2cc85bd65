/* Preload shim for linux.uml on CPUs whose register state is larger than the guest kernel's buffer (AMX tiles).
 *
 * The guest kernel (6.1) writes back only the front part of NT_X86_XSTATE; the host kernel refuses a part, and the guest
 * panics in put_fp_registers. So: read the whole state, lay the part over its front, write the whole. Nothing else of
 * ptrace is changed. No header is included and no compiler built-in used, so that any C compiler makes it, tcc too.
 */

#define SYS_PTRACE 101L
#define GETREGSET 0x4204L
#define SETREGSET 0x4205L
#define XSTATE 0x202L

struct part { unsigned char *base; unsigned long length; };

/* C library: */
extern long syscall(long number, ...);
extern int *__errno_location(void);

static unsigned char whole[65536];

long ptrace(int request, int pid, long address, long data)
{
  long result, word = 0;
  unsigned long i;
  struct part *asked = (struct part *)data;
  struct part all;

  if (request >= 1 && request <= 3) { /* PEEK: the system call stores the word, the C function returns it */
    result = syscall(SYS_PTRACE, request, pid, address, (long)&word);
    if (result < 0) return -1;
    *__errno_location() = 0;
    return word;
  }
  if (request == SETREGSET && address == XSTATE) {
    all.base = whole;
    all.length = sizeof whole;
    if (syscall(SYS_PTRACE, GETREGSET, pid, address, (long)&all) == 0 && asked->length < all.length) {
      for (i = 0; i < asked->length; i++) whole[i] = asked->base[i];
      return syscall(SYS_PTRACE, request, pid, address, (long)&all);
    }
  }
  return syscall(SYS_PTRACE, request, pid, address, data);
}
