#include "textflag.h"

// 0F 1F /0 with a displacement of 32 bits on AX: NOPL disp32(AX).

// func begin()
TEXT ·begin(SB), NOSPLIT, $0-0
	BYTE $0x0f; BYTE $0x1f; BYTE $0x80; BYTE $0x01; BYTE $0x6d; BYTE $0x63; BYTE $0x6d
	RET

// func end()
TEXT ·end(SB), NOSPLIT, $0-0
	BYTE $0x0f; BYTE $0x1f; BYTE $0x80; BYTE $0x02; BYTE $0x6d; BYTE $0x63; BYTE $0x6d
	RET
