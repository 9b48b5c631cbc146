package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	pb "microcosm/functions/proto/aespb"
)

func TestSleep(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "50ms", "world": "50ms", "-3s": "50ms", "20ms": "20ms", "1.5s": "1.5s", "0s": "0s", "1h": "1m0s",
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			got, err := sleep(t.Context(), &pb.PlainTextMessage{PlaintextMessage: text})
			require.NoError(t, err)
			require.Equal(t, want, got.GetEncryptionInfo(), text)
			require.Equal(t, want, time.Since(begin).String())
		})
	}
}
