package walk

import "encoding/binary"

// stub returns one cache line of code: it steps a linear congruential
// generator, branches to the next instruction on the sign, which trains the
// predictor with noise, and goes on to the line behind or returns. It changes
// EAX and the flags only, which Go's internal ABI leaves to the callee.
func stub(last bool) []byte {
	code := make([]byte, 0, lineBytes)
	code = append(code, 0x69, 0xC0) // imul eax, eax, multiplier
	code = binary.LittleEndian.AppendUint32(code, lcgMultiplier)
	code = append(code, 0x05) // add eax, increment
	code = binary.LittleEndian.AppendUint32(code, lcgIncrement)
	code = append(code,
		0x85, 0xC0, // test eax, eax
		0x78, 0x00, // js to the next instruction
	)
	if last {
		code = append(code, 0xC3) // ret
	} else {
		code = append(code, 0xE9) // jmp to the next line
		code = binary.LittleEndian.AppendUint32(code, uint32(lineBytes-len(code)-4))
	}
	for len(code) < lineBytes {
		code = append(code, 0xCC) // int3: never reached
	}
	return code
}
