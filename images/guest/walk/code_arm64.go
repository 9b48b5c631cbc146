package walk

import "encoding/binary"

// stub returns one cache line of code: it steps a linear congruential
// generator, branches to the next instruction on the sign, which trains the
// predictor with noise, and goes on to the line behind or returns. It changes
// R0 to R2 only, which Go's internal ABI leaves to the callee.
func stub(last bool) []byte {
	words := []uint32{
		0x52800000 | (lcgMultiplier&0xFFFF)<<5 | 1, // movz w1, low half
		0x72A00000 | (lcgMultiplier>>16)<<5 | 1,    // movk w1, high half, lsl 16
		0x52800000 | lcgIncrement<<5 | 2,           // movz w2, increment
		0x1B010800,                                 // madd w0, w0, w1, w2
		0x36F80020,                                 // tbz w0, 31, next instruction
	}
	if last {
		words = append(words, 0xD65F03C0) // ret
	} else {
		words = append(words, 0x14000000|uint32(lineBytes/4-len(words))) // b to the next line
	}
	for len(words) < lineBytes/4 {
		words = append(words, 0) // udf: never reached
	}
	code := make([]byte, 0, lineBytes)
	for _, word := range words {
		code = binary.LittleEndian.AppendUint32(code, word)
	}
	return code
}
