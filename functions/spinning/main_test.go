package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	pb "microcosm/functions/proto/aespb"
)

func TestSpin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "1": "0", "4": "14", "1000": "332833500",
		"": "16435186103453363008", // 8999999550000005000000 modulo 2^64
	} {
		got, err := spin(context.Background(), &pb.PlainTextMessage{PlaintextMessage: text})
		require.NoError(t, err)
		require.Regexp(t, `^[0-9.]+(ns|µs|ms|s) \| sum: `+want+"$", got.GetEncryptionInfo(), text)
	}
	require.EqualValues(t, most, rounds("99999999999999"))
	require.EqualValues(t, usual, rounds("-1"))
}
