// Command aes-go serves the encryption benchmark: AES-128 in counter mode, the
// key schedule made anew for every call.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/aespb"
)

const (
	key     = "6368616e676520746869732070617373"
	message = "defaultplaintext" // stands for an empty request and for "world"
)

func main() {
	serve.Main(50051, serve.Service{
		Name:    "aes.Aes",
		Methods: []grpc.MethodDesc{serve.Unary("ShowEncryption", showEncryption)},
	})
}

func showEncryption(_ context.Context, in *pb.PlainTextMessage) (*pb.ReturnEncryptionInfo, error) {
	plaintext := in.GetPlaintextMessage()
	if plaintext == "" || plaintext == "world" {
		plaintext = message
	}
	ciphertext, err := encrypt([]byte(plaintext))
	if err != nil {
		return nil, err
	}
	info := fmt.Sprintf("fn: AES | plaintext: %s | ciphertext: %x | runtime: golang", plaintext, ciphertext)
	return &pb.ReturnEncryptionInfo{EncryptionInfo: info}, nil
}

// encrypt starts its counter at zero, so equal plaintexts give equal ciphertexts.
func encrypt(plaintext []byte) ([]byte, error) {
	k, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, err
	}
	ciphertext := make([]byte, len(plaintext))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(ciphertext, plaintext)
	return ciphertext, nil
}
