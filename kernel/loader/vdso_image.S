/* vdso_image.S - the vDSO's ELF file, as bytes. */
	.section .rodata
	.balign 16
	.globl vdso_image, vdso_image_end
vdso_image:
	.incbin "vdso.so"
vdso_image_end:
	.section .note.GNU-stack,"",@progbits
