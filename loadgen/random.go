package loadgen

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// PCG returns the random bits of the stream that name names under seed. Streams
// of different names or seeds are independent; equal ones are equal on every
// machine.
func PCG(seed uint64, name string) *rand.PCG {
	text := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(name)), seed)
	digest := sha256.Sum256(append(text, name...))
	return rand.NewPCG(binary.LittleEndian.Uint64(digest[0:]), binary.LittleEndian.Uint64(digest[8:]))
}

// Rand returns the named random stream, e.g. Rand(1, "arrivals/hello"). It is
// not safe for concurrent use.
func Rand(seed uint64, name string) *rand.Rand {
	var stream struct { // together in memory: a run draws from thousands of them in turn
		random rand.Rand
		bits   rand.PCG
	}
	stream.bits = *PCG(seed, name)
	stream.random = *rand.New(&stream.bits)
	return &stream.random
}
