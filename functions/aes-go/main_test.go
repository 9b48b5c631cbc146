package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	pb "microcosm/functions/proto/aespb"
)

// The ciphertexts are those of openssl enc -aes-128-ctr -iv 0.
func TestShowEncryption(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"A unique message":  "fn: AES | plaintext: A unique message | ciphertext: fd4b8dc72677cafa719c946be09d1bb8 | runtime: golang",
		"":                  "fn: AES | plaintext: defaultplaintext | ciphertext: d80e9ec83a6acbef3d909876e79904a9 | runtime: golang",
		"world":             "fn: AES | plaintext: defaultplaintext | ciphertext: d80e9ec83a6acbef3d909876e79904a9 | runtime: golang",
		"seventeen letters": "fn: AES | plaintext: seventeen letters | ciphertext: cf0e8ecc2172dafa3fd19d7de78819af58 | runtime: golang",
	} {
		got, err := showEncryption(context.Background(), &pb.PlainTextMessage{PlaintextMessage: text})
		require.NoError(t, err)
		require.Equal(t, want, got.GetEncryptionInfo())
	}
}
