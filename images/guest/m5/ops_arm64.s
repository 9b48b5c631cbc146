#include "textflag.h"

// The word 0xff000110 | code << 16; arguments in R0 to R3, result in R0 (gem5,
// src/arch/arm/isa/formats/aarch64.isa and include/gem5/asm/generic/m5ops.h).

// func exit(a, b, c, d uint64) uint64
TEXT ·exit(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff210110
	MOVD R0, ret+32(FP)
	RET

// func fail(a, b, c, d uint64) uint64
TEXT ·fail(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff220110
	MOVD R0, ret+32(FP)
	RET

// func sum(a, b, c, d uint64) uint64
TEXT ·sum(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff230110
	MOVD R0, ret+32(FP)
	RET

// func resetStats(a, b, c, d uint64) uint64
TEXT ·resetStats(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff400110
	MOVD R0, ret+32(FP)
	RET

// func dumpStats(a, b, c, d uint64) uint64
TEXT ·dumpStats(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff410110
	MOVD R0, ret+32(FP)
	RET

// func dumpResetStats(a, b, c, d uint64) uint64
TEXT ·dumpResetStats(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff420110
	MOVD R0, ret+32(FP)
	RET

// func checkpoint(a, b, c, d uint64) uint64
TEXT ·checkpoint(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff430110
	MOVD R0, ret+32(FP)
	RET

// func writeFile(a, b, c, d uint64) uint64
TEXT ·writeFile(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff4f0110
	MOVD R0, ret+32(FP)
	RET

// func readFile(a, b, c, d uint64) uint64
TEXT ·readFile(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff500110
	MOVD R0, ret+32(FP)
	RET

// func switchCPU(a, b, c, d uint64) uint64
TEXT ·switchCPU(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff520110
	MOVD R0, ret+32(FP)
	RET

// func workBegin(a, b, c, d uint64) uint64
TEXT ·workBegin(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff5a0110
	MOVD R0, ret+32(FP)
	RET

// func workEnd(a, b, c, d uint64) uint64
TEXT ·workEnd(SB), NOSPLIT, $0-40
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD c+16(FP), R2
	MOVD d+24(FP), R3
	WORD $0xff5b0110
	MOVD R0, ret+32(FP)
	RET
