/*
 * stub.S - all the code that a stub process has of us.
 *
 * A routine is entered by PTRACE_SETREGS and PTRACE_CONT, uses registers only
 * (there is no stack), and ends in int3, where its tracer waits.  A clone's child
 * runs untraced until someone seizes it: it goes to stub_park, and so does a
 * leader when its tracer lets go of it.
 */
#include <asm/unistd.h>
#include <linux/mman.h>

#include "platform/ptrace/stub.h"

#define PR_SET_PDEATHSIG 1
#define SIGKILL 9

	.section .rodata.stub, "a", @progbits
	.balign 64
	.globl	stub_start, stub_end, stub_park, stub_batch, stub_batch_pk, stub_clone
	.globl	stub_boot, stub_exit, stub_empty
	.hidden	stub_start, stub_end, stub_park, stub_batch, stub_batch_pk, stub_clone
	.hidden	stub_boot, stub_exit, stub_empty
stub_start:
	ud2				/* nothing begins at the page's first byte */

/* Waits for ever: leaders, and threads that no tracer has taken yet. */
	.balign 16
stub_park:
	mov	$__NR_pause, %eax
	syscall
	jmp	stub_park

/*
 * Makes the calls in the list page up to one with a negative number.  r12 stays at
 * that one, or at a call that failed; rax is then its error.  Needs no register
 * set but rip.
 *
 * stub_batch_pk is for CPUs with protection keys: the guest may have forbidden itself to
 * read anything.  r14 keeps its rights, r13 says whether there are any.
 */
	.balign 16
stub_batch_pk:
	xor	%ecx, %ecx
	rdpkru				/* clears edx */
	mov	%eax, %r14d
	xor	%eax, %eax
	wrpkru
	mov	$1, %r13d
	jmp	1f
stub_batch:
	xor	%r13d, %r13d
1:	movabs	$STUB_LIST, %r12
	mov	(%r12), %rax
	test	%rax, %rax
	js	3f
2:	mov	8(%r12), %rdi
	mov	16(%r12), %rsi
	mov	24(%r12), %rdx
	mov	32(%r12), %r10
	mov	40(%r12), %r8
	mov	48(%r12), %r9
	syscall
	cmp	$-4095, %rax
	jae	3f
	add	$STUB_CALL_SIZE, %r12
	mov	(%r12), %rax
	test	%rax, %rax
	jns	2b
3:	test	%r13d, %r13d
	jz	4f
	mov	%rax, %r15
	mov	%r14d, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	wrpkru
	mov	%r15, %rax
4:	int3
	jmp	stub_park

/*
 * First thing in the leader of a new process: its own list page (descriptor
 * r12, offset r13) in place of its parent's, and death with the sentry.  Goes on to
 * make its first thread.
 */
	.balign 16
stub_boot:
	mov	$__NR_prctl, %eax
	mov	$PR_SET_PDEATHSIG, %edi
	mov	$SIGKILL, %esi
	syscall
	mov	$__NR_mmap, %eax
	movabs	$STUB_LIST, %rdi
	mov	$STUB_PAGE, %esi
	mov	$PROT_READ, %edx
	mov	$MAP_SHARED | MAP_FIXED, %r10d
	mov	%r12, %r8
	mov	%r13, %r9
	syscall
	cmp	$-4095, %rax
	jae	1f
	mov	$STUB_CLONE_THREAD, %edi

/* clone(rdi): rax is the new task or the error. */
stub_clone:
	mov	$__NR_clone, %eax
	xor	%esi, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	syscall
	test	%eax, %eax
	jz	stub_park
1:	int3
	jmp	stub_park

/* Ends this thread. */
	.balign 16
stub_exit:
	mov	$__NR_exit, %eax
	xor	%edi, %edi
	syscall
	ud2

/* Gives up every page but the stub's own two.  The master enters it by a jump from C. */
	.balign 16
stub_empty:
	mov	$__NR_munmap, %eax
	xor	%edi, %edi
	movabs	$STUB_BASE, %rsi
	syscall
	int3
	jmp	stub_park
stub_end:
	.section .note.GNU-stack, "", @progbits
