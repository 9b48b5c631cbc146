package functions

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"microcosm/functions/proto/aespb"
	"microcosm/functions/proto/authpb"
	"microcosm/functions/proto/compressionpb"
)

// The checks of the kernels are second implementations themselves. Here they meet
// third ones: published vectors, the standard library, identities, Python.

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// TestCounterModeHasTheVectorsOfGCM: with a key of zeros, blocks 0 to 2 of the key
// stream are H, E(K, Y0) and E(K, Y1) of McGrew and Viega's test cases 1 and 2.
func TestCounterModeHasTheVectorsOfGCM(t *testing.T) {
	t.Parallel()
	stream, err := aesCTR(make([]byte, 16), make([]byte, 48))
	require.NoError(t, err)
	require.Equal(t, unhex(t, "66e94bd4ef8a2c3b884cfa59ca342b2e 58e2fccefa7e3061367f1d57a4e7455a 0388dace60b6a392f328c2b971b2fe78"), stream)
}

// TestChainedBlocksHaveTheVectorsOfNIST: SP 800-38A, F.2.1 and F.2.5. Their initial
// vector is another, so the first block is turned into the one that gives the same.
func TestChainedBlocksHaveTheVectorsOfNIST(t *testing.T) {
	t.Parallel()
	plaintext := unhex(t, "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710")
	for i := range 16 {
		plaintext[i] ^= byte(i) ^ '0'
	}
	for key, want := range map[string]string{
		"2b7e151628aed2a6abf7158809cf4f3c":                                 "7649abac8119b246cee98e9b12e9197d 5086cb9b507219ee95db113a917678b2 73bed6b8e3c1743b7116e69e22229516 3ff1caa1681fac09120eca307586e1a7",
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d 39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b",
	} {
		got, err := aesCBC(unhex(t, key), bytes.Clone(plaintext))
		require.NoError(t, err)
		require.Equal(t, unhex(t, want), got[:64])
		require.Len(t, got, 80, "a whole block of padding behind whole blocks")
	}
}

func TestBothModesAreThoseOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key")
		if rapid.Bool().Draw(t, "long") {
			key = append(key, key...)
		}
		text := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "text")
		block, err := aes.NewCipher(key)
		require.NoError(t, err)
		want := make([]byte, len(text))
		cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(want, text)
		got, err := aesCTR(key, text)
		require.NoError(t, err)
		require.Equal(t, want, got)

		chained, err := aesCBC(key, bytes.Clone(text))
		require.NoError(t, err)
		require.Zero(t, len(chained)%16)
		cipher.NewCBCDecrypter(block, []byte("0000000000000000")).CryptBlocks(chained, chained)
		pad := int(chained[len(chained)-1])
		require.True(t, 1 <= pad && pad <= 16)
		require.Equal(t, bytes.Repeat([]byte{byte(pad)}, pad), chained[len(text):], "PKCS #7")
		require.Equal(t, text, append([]byte{}, chained[:len(text)]...))
	})
	for _, encrypt := range []func(key, text []byte) ([]byte, error){aesCTR, aesCBC} {
		_, err := encrypt(make([]byte, 15), nil)
		require.Error(t, err, "a key of no size that AES has")
	}
}

// TestBytesAsPythonWritesThem asks Python.
func TestBytesAsPythonWritesThem(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skipf("skipped: %v", err)
	}
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	texts := [][]byte{nil, all, []byte("'"), []byte(`"`), []byte(`'"`), []byte(`\`), []byte("it's"), []byte("\\x41\n\r\t\x00\x7f")}
	r := rand.New(rand.NewPCG(4, 2))
	odd := []byte("'\"\\abc\n\t\x00\x1f\x7f\x80\xff ~")
	for range 300 {
		text := make([]byte, r.IntN(12))
		for i := range text {
			text[i] = odd[r.IntN(len(odd))]
		}
		texts = append(texts, text)
	}
	var input, want strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&input, "%x\n", text)
		want.WriteString(pythonBytes(text) + "\n")
	}
	cmd := exec.Command("python3", "-I", "-c", "import sys\nfor line in sys.stdin: print(bytes.fromhex(line))")
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(out), "\n"), strings.Split(want.String(), "\n"))
}

func TestFibonacciNumbersHangTogether(t *testing.T) {
	t.Parallel()
	a, b := big.NewInt(0), big.NewInt(1)
	for x := range uint64(400) {
		require.Zero(t, a.Cmp(fibonacci(x)), "F(%d) by additions", x)
		a, b = b, new(big.Int).Add(a, b)
	}
	rapid.Check(t, func(t *rapid.T) {
		m, n := rapid.Uint64Range(1, 5000).Draw(t, "m"), rapid.Uint64Range(1, 5000).Draw(t, "n")
		// F(m+n) = F(m+1)F(n) + F(m)F(n-1), and gcd(F(m), F(n)) = F(gcd(m, n)).
		sum := new(big.Int).Mul(fibonacci(m+1), fibonacci(n))
		sum.Add(sum, new(big.Int).Mul(fibonacci(m), fibonacci(n-1)))
		require.Zero(t, sum.Cmp(fibonacci(m+n)))
		gcd := new(big.Int).GCD(nil, nil, new(big.Int).SetUint64(m), new(big.Int).SetUint64(n))
		require.Zero(t, new(big.Int).GCD(nil, nil, fibonacci(m), fibonacci(n)).Cmp(fibonacci(gcd.Uint64())))
	})
	// Binet: the nearest whole number to phi^x / sqrt(5).
	const precision = 1000
	root := new(big.Float).SetPrec(precision).Sqrt(new(big.Float).SetPrec(precision).SetInt64(5))
	phi := new(big.Float).SetPrec(precision).Quo(new(big.Float).SetPrec(precision).Add(root, big.NewFloat(1)), big.NewFloat(2))
	power := new(big.Float).SetPrec(precision).SetInt64(1)
	for range 1000 {
		power.Mul(power, phi)
	}
	nearest, _ := power.Quo(power, root).Add(power, big.NewFloat(.5)).Int(nil)
	require.Zero(t, nearest.Cmp(fibonacci(1000)))
	require.Equal(t, "0", fibonacci(0).String())
}

// TestSumsOfSquaresAreThoseOfALoop: also where they leave 64 bits.
func TestSumsOfSquaresAreThoseOfALoop(t *testing.T) {
	t.Parallel()
	check := func(n uint64, sum string) error {
		return checkSpun(Go, &aespb.PlainTextMessage{PlaintextMessage: fmt.Sprint(n)}, &aespb.ReturnEncryptionInfo{EncryptionInfo: "1.5ms | sum: " + sum})
	}
	var sum uint64
	for n := range uint64(300) {
		require.NoError(t, check(n, fmt.Sprint(sum)), "%d", n)
		require.Error(t, check(n, fmt.Sprint(sum+1)), "%d", n)
		sum += n * n
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 1<<31-1).Draw(t, "n")
		exact := new(big.Int).SetUint64(n - 1)
		exact.Mul(exact, new(big.Int).SetUint64(n)).Mul(exact, new(big.Int).SetUint64(2*n-1)).Div(exact, big.NewInt(6))
		require.NoError(t, check(n, fmt.Sprint(exact.And(exact, new(big.Int).SetUint64(1<<64-1)).Uint64())))
	})
	for reply, want := range map[string]string{"": "no sum", "soon | sum: 0": "invalid duration", "1ms | sum: ": "differs", "1ms|sum: 0": "no sum"} {
		err := checkSpun(Go, &aespb.PlainTextMessage{PlaintextMessage: "1"}, &aespb.ReturnEncryptionInfo{EncryptionInfo: reply})
		require.ErrorContains(t, err, want, reply)
	}
}

func TestASleepMayBeLongerAndNotShorter(t *testing.T) {
	t.Parallel()
	check := func(asked, slept string) error {
		return checkSlept(Go, &aespb.PlainTextMessage{PlaintextMessage: asked}, &aespb.ReturnEncryptionInfo{EncryptionInfo: slept})
	}
	require.NoError(t, check("20ms", "20ms"))
	require.NoError(t, check("20ms", "1m0.1s"))
	require.EqualError(t, check("20ms", "19.999999ms"), "slept 19.999999ms: want at least 20ms")
	require.EqualError(t, check("world", "49ms"), "slept 49ms: want at least 50ms")
	require.Error(t, check("20ms", "long"))
	require.Error(t, check("20ms", ""))
}

func TestWhatIsNotAllowedIsNeverTakenForAllowed(t *testing.T) {
	t.Parallel()
	reply := func(runtime Runtime, token, answer string) *authpb.HelloReply {
		name := map[Runtime]string{Go: "golang", Python: "python", NodeJS: "nodejs"}[runtime]
		return &authpb.HelloReply{Message: fmt.Sprintf("fn: Auth | token: %s | resp: %s | runtime: %s", token, answer, name)}
	}
	for _, runtime := range []Runtime{Go, Python, NodeJS} {
		answers := map[string]string{
			"allow": fmt.Sprintf(authDocuments[runtime], "Allow", authResource), "deny": fmt.Sprintf(authDocuments[runtime], "Deny", authResource),
			"unauthorized": "Unauthorized", "Allow": "Error: Invalid token", "": "Error: Invalid token", "allow\x00": "Error: Invalid token",
		}
		for token := range answers {
			for other, answer := range answers {
				err := checkAuth(runtime, &authpb.HelloRequest{Name: token}, reply(runtime, token, answer))
				require.Equal(t, answers[token] == answer, err == nil, "%s: %q answered as %q", runtime, token, other)
			}
		}
		for _, other := range []Runtime{Go, Python, NodeJS} {
			err := checkAuth(runtime, &authpb.HelloRequest{Name: "deny"}, reply(other, "deny", fmt.Sprintf(authDocuments[other], "Deny", authResource)))
			require.Equal(t, runtime == other, err == nil, "each runtime prints it in its own way")
		}
	}
}

func TestCompressionMustGiveTheTextBack(t *testing.T) {
	t.Parallel()
	check := func(name, reply string) error {
		return checkCompression(Python, &compressionpb.SendFile{Name: name}, &compressionpb.GetCompressedFile{Message: reply})
	}
	text, err := texts.ReadFile("compression/prose.txt")
	require.NoError(t, err)
	right := func(name string, begin, size int) string {
		turned := append(bytes.Clone(text[begin:]), text[:begin]...)
		return fmt.Sprintf("fn: CompressFile | file: %s | message: python.compression.%s | from: %d to: %d back: %s | runtime: Python", name, name, len(text), size, sha256sum(t, turned))
	}
	require.NoError(t, check("prose.txt", right("prose.txt", 0, 100)))
	require.NoError(t, check("", right("prose.txt", 0, 100)), "an empty name is the usual file")
	require.NoError(t, check("prose.txt@7", right("prose.txt@7", 7, 100)), "turned by seven bytes")
	require.NoError(t, check(fmt.Sprintf("prose.txt@%d", len(text)+7), right(fmt.Sprintf("prose.txt@%d", len(text)+7), 7, 100)))
	require.ErrorContains(t, check("prose.txt", right("prose.txt", 7, 100)), "differs from byte", "another text came back")
	require.ErrorContains(t, check("prose.txt", right("prose.txt", 0, len(text)*2/3)), "want less than two thirds")
	require.ErrorContains(t, check("prose.txt", "done"), `no size in "done"`)
	require.ErrorContains(t, check("prose.txt@-1", ""), "has no right reply")
	require.Error(t, check("none.txt", ""))
}

// sha256sum asks the program of that name.
func sha256sum(t *testing.T, text []byte) string {
	t.Helper()
	cmd := exec.Command("sha256sum")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))[0]
}

// TestCheckersTakeNoMessageOfAnotherShape: every checker is asked about replies and
// requests that are no messages at all.
func TestCheckersTakeNoMessageOfAnotherShape(t *testing.T) {
	t.Parallel()
	garbage := [][]byte{{0xff}, {0x0a, 0x05, 'a'}, bytes.Repeat([]byte{0x80}, 11), {0x0f}, {0xfa, 0x7f, 0x01, 'x'}}
	for name, c := range checkers {
		for _, text := range garbage {
			require.Error(t, c.run(Go, nil, text), "%s: reply %x", name, text)
			if name != "empty" { // it looks at the reply only
				require.Error(t, c.run(Go, text, nil), "%s: request %x", name, text)
			}
		}
	}
	empty, err := proto.Marshal(&aespb.PlainTextMessage{})
	require.NoError(t, err)
	require.NoError(t, checkers["empty"].run(Go, nil, empty))
}
