package landmark_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/landmark"
)

// code returns the landmark's bytes, as the plugin that counts looks for them.
func code(arch string, constant uint32) []byte {
	if arch == "amd64" {
		return binary.LittleEndian.AppendUint32([]byte{0x0f, 0x1f, 0x80}, constant)
	}
	return binary.LittleEndian.AppendUint32(nil, 0xd2800000|uint32(uint16(constant))<<5|31)
}

func TestALandmarkDoesNothing(t *testing.T) {
	t.Parallel()
	var m landmark.Marker
	for range 1000 {
		m.WorkBegin(1, 2)
		m.WorkEnd(1, 2)
	}
}

// An emulator tells calls apart by landmarks, so a program holds each once.
func TestAProgramHoldsEachLandmarkOnce(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	for _, constant := range []uint32{landmark.Begin, landmark.End} {
		require.Equal(t, 1, bytes.Count(program, code(runtime.GOARCH, constant)), "%x", constant)
	}
}

// Only one ISA's code is in this program; the other's is compared as text.
func TestBothISAsHaveTheConstants(t *testing.T) {
	t.Parallel()
	arm, err := os.ReadFile("landmark_arm64.s")
	require.NoError(t, err)
	x86, err := os.ReadFile("landmark_amd64.s")
	require.NoError(t, err)
	for _, constant := range []uint32{landmark.Begin, landmark.End} {
		require.Contains(t, string(arm), fmt.Sprintf("WORD $%#x", binary.LittleEndian.Uint32(code("arm64", constant))))
		var bytes string
		for _, b := range code("amd64", constant) {
			bytes += fmt.Sprintf("; BYTE $%#02x", b)
		}
		require.Contains(t, string(x86), bytes[2:])
	}
}
