#include "textflag.h"

// The bytes 0F 04 and the 16-bit function code, low byte first; arguments in DI,
// SI, DX and CX, result in AX (gem5, src/arch/x86/isa/decoder/two_byte_opcodes.isa).

// func exit(a, b, c, d uint64) uint64
TEXT ·exit(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x21; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func fail(a, b, c, d uint64) uint64
TEXT ·fail(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x22; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func sum(a, b, c, d uint64) uint64
TEXT ·sum(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x23; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func resetStats(a, b, c, d uint64) uint64
TEXT ·resetStats(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x40; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func dumpStats(a, b, c, d uint64) uint64
TEXT ·dumpStats(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x41; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func dumpResetStats(a, b, c, d uint64) uint64
TEXT ·dumpResetStats(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x42; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func checkpoint(a, b, c, d uint64) uint64
TEXT ·checkpoint(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x43; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func writeFile(a, b, c, d uint64) uint64
TEXT ·writeFile(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x4f; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func readFile(a, b, c, d uint64) uint64
TEXT ·readFile(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x50; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func switchCPU(a, b, c, d uint64) uint64
TEXT ·switchCPU(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x52; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func workBegin(a, b, c, d uint64) uint64
TEXT ·workBegin(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x5a; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET

// func workEnd(a, b, c, d uint64) uint64
TEXT ·workEnd(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ c+16(FP), DX
	MOVQ d+24(FP), CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x04; BYTE $0x5b; BYTE $0x00
	MOVQ AX, ret+32(FP)
	RET
