/* The sector that accelerator.py boots: into long mode, a loop of 2^28, a K on the first serial port
 * and on QEMU's isa-debug-exit. as --64 probe.S; objcopy -O binary -j .text. */
    .code16
    .org 0
start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x7c00, %sp
    # Page tables at 1000h: one page of 2 MiB, mapped to itself.
    movw $0x1000, %di
    movw $0x1800, %cx
    cld
    rep stosw
    movw $0x2003, 0x1000
    movw $0x3003, 0x2000
    movw $0x0083, 0x3000
    lgdt gdtr - start + 0x7c00
    movl $0xa0, %eax            # PAE, PGE
    movl %eax, %cr4
    movl $0x1000, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # EFER.LME
    rdmsr
    orw $0x100, %ax
    wrmsr
    movl $0x80000011, %eax      # PG, ET, PE
    movl %eax, %cr0
    ljmp $8, $(long - start + 0x7c00)
    .code64
long:
    movl $0x10000000, %ecx
again:
    decl %ecx
    jnz again
    movw $0x3f8, %dx
    movb $'K', %al
    outb %al, %dx
    movw $0xf4, %dx
    outb %al, %dx
halt:
    hlt
    jmp halt
    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000
gdtr:
    .word 15
    .long gdt - start + 0x7c00
    .org 510
    .word 0xaa55
