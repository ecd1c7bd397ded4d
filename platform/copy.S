/*
 * copy.S - memcpy that survives SIGBUS.
 *
 * size_t phys_copy(void *dst, const void *src, size_t n)
 *
 * String instructions leave rsi, rdi and rcx exact when they fault, so the handler in
 * phys.c only moves rip: from the quadword copy to phys_copy_bytes, which
 * copies up to the very byte that is missing, and from the byte copy to
 * phys_copy_short, which counts what is left.
 *
 * int phys_cmpxchg32(void *word, uint32_t old, uint32_t new, uint32_t *prev)
 */
	.text
	.globl	phys_copy, phys_copy_words, phys_copy_bytes, phys_copy_tail, phys_copy_short
	.hidden	phys_copy_words, phys_copy_bytes, phys_copy_tail, phys_copy_short
	.type	phys_copy, @function
phys_copy:
	.cfi_startproc
	mov	%rdx, %rax
	mov	%rdx, %rcx
	and	$7, %edx
	shr	$3, %rcx
phys_copy_words:
	rep movsq
	mov	%edx, %ecx
phys_copy_tail:
	rep movsb
	ret
phys_copy_bytes:			/* rcx quadwords and edx bytes are left */
	lea	(%rdx, %rcx, 8), %rcx
	jmp	phys_copy_tail
phys_copy_short:			/* rcx bytes are left for ever */
	sub	%rcx, %rax
	ret
	.cfi_endproc
	.size	phys_copy, . - phys_copy

	.globl	phys_cmpxchg32, phys_cmpxchg_word, phys_cmpxchg_bad
	.hidden	phys_cmpxchg_word, phys_cmpxchg_bad
	.type	phys_cmpxchg32, @function
phys_cmpxchg32:
	.cfi_startproc
	mov	%esi, %eax
phys_cmpxchg_word:
	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%rcx)
	xor	%eax, %eax
	ret
phys_cmpxchg_bad:
	mov	$-14, %eax		/* -EFAULT */
	ret
	.cfi_endproc
	.size	phys_cmpxchg32, . - phys_cmpxchg32
	.section .note.GNU-stack, "", @progbits
