package functions

import (
	"crypto/aes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"microcosm/functions/proto/aespb"
	"microcosm/functions/proto/authpb"
	"microcosm/functions/proto/fibonaccipb"
)

func checkFibonacci(runtime Runtime, q *fibonaccipb.HelloRequest, p *fibonaccipb.HelloReply) error {
	x, err := strconv.ParseUint(q.GetName(), 10, 32)
	if err != nil {
		return err
	}
	name := map[Runtime]string{Go: "GoLang", Python: "python", NodeJS: "NodeJS"}[runtime]
	return equal(p.GetMessage(), fmt.Sprintf("fn: Fib: y = fib(x) | x: %d y: %d | runtime: %s", x, fibonacci(x), name))
}

// fibonacci doubles its way from the highest bit of x down:
// F(2k) = F(k)(2F(k+1) - F(k)), F(2k+1) = F(k)^2 + F(k+1)^2.
// Knuth, The Art of Computer Programming vol. 1, section 1.2.8.
func fibonacci(x uint64) *big.Int {
	a, b := big.NewInt(0), big.NewInt(1)
	for i := bits.Len64(x) - 1; i >= 0; i-- {
		even := new(big.Int).Lsh(b, 1)
		even.Sub(even, a).Mul(even, a)
		odd := new(big.Int).Mul(a, a)
		odd.Add(odd, new(big.Int).Mul(b, b))
		a, b = even, odd
		if x>>i&1 == 1 {
			a, b = b, a.Add(a, b)
		}
	}
	return a
}

const aesKey = "6368616e676520746869732070617373"

// checkAES encrypts again. Go takes the key as the 16 bytes it spells, Python and
// Node.js as 32 characters; Node.js chains its blocks instead of counting.
func checkAES(runtime Runtime, q *aespb.PlainTextMessage, p *aespb.ReturnEncryptionInfo) error {
	text := q.GetPlaintextMessage()
	if text == "" || text == "world" {
		text = "defaultplaintext"
	}
	key, format := []byte(aesKey), "fn: AES | plaintext: %s | ciphertext: %s | runtime: Python"
	show, encrypt := pythonBytes, aesCTR
	switch runtime {
	case NodeJS:
		format = "fn: AES | plaintext: %s ciphertext: %s | runtime: NodeJS"
		show, encrypt = hex.EncodeToString, aesCBC
	case Go:
		format = "fn: AES | plaintext: %s | ciphertext: %s | runtime: golang"
		show = hex.EncodeToString
		key, _ = hex.DecodeString(aesKey) // a constant
	}
	ciphertext, err := encrypt(key, []byte(text))
	if err != nil {
		return err
	}
	return equal(p.GetEncryptionInfo(), fmt.Sprintf(format, text, show(ciphertext)))
}

// aesCTR is counter mode from zero, block by block. NIST SP 800-38A, section 6.5.
func aesCTR(key, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	ciphertext := make([]byte, len(plaintext))
	var counter, pad [aes.BlockSize]byte
	for i, c := range plaintext {
		if i%aes.BlockSize == 0 {
			binary.BigEndian.PutUint64(counter[8:], uint64(i/aes.BlockSize))
			block.Encrypt(pad[:], counter[:])
		}
		ciphertext[i] = c ^ pad[i%aes.BlockSize]
	}
	return ciphertext, nil
}

// aesCBC chains blocks from sixteen characters 0 and pads the last one as PKCS #7
// does. NIST SP 800-38A, section 6.2; RFC 5652, section 6.3.
func aesCBC(key, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(plaintext)%aes.BlockSize
	ciphertext := append(plaintext, strings.Repeat(string(rune(pad)), pad)...)
	previous := []byte("0000000000000000")
	for rest := ciphertext; len(rest) > 0; rest = rest[aes.BlockSize:] {
		for i, c := range previous {
			rest[i] ^= c
		}
		block.Encrypt(rest[:aes.BlockSize], rest[:aes.BlockSize])
		previous = rest[:aes.BlockSize]
	}
	return ciphertext, nil
}

// pythonBytes writes a bytes object as Python's repr does.
func pythonBytes(b []byte) string {
	quote := byte('\'')
	if strings.Contains(string(b), "'") && !strings.Contains(string(b), `"`) {
		quote = '"'
	}
	s := []byte{'b', quote}
	for _, c := range b {
		switch {
		case c == quote || c == '\\':
			s = append(s, '\\', c)
		case c == '\t':
			s = append(s, `\t`...)
		case c == '\n':
			s = append(s, `\n`...)
		case c == '\r':
			s = append(s, `\r`...)
		case c < ' ' || c > '~':
			s = fmt.Appendf(s, `\x%02x`, c)
		default:
			s = append(s, c)
		}
	}
	return string(append(s, quote))
}

const authResource = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"

// The policy document as each runtime prints it: effect, then resource.
var authDocuments = map[Runtime]string{
	Go: "{principalId:user policyDocument:{Version:2012-10-17 Statement:[{Action:execute-api:Invoke Effect:%s Resource:%s}]} " +
		"context:{stringKey:stringval numberKey:123 booleanKey:true}}",
	Python: "{'principalId': 'user', 'policyDocument': {'Version': '2012-10-17', 'Statement': " +
		"[{'Action': 'execute-api:Invoke', 'Effect': '%s', 'Resource': '%s'}]}, " +
		"'context': {'stringKey': 'stringval', 'numberKey': 123, 'booleanKey': True}}",
	NodeJS: `{
  "principalId": "user",
  "policyDocument": {
    "Version": "2012-10-17",
    "Statement": [
      {
        "Action": "execute-api:Invoke",
        "Effect": "%s",
        "Resource": "%s"
      }
    ]
  },
  "context": {
    "stringKey": "stringval",
    "numberKey": 123,
    "booleanKey": true
  }
}`,
}

func checkAuth(runtime Runtime, q *authpb.HelloRequest, p *authpb.HelloReply) error {
	var answer string
	switch q.GetName() {
	case "allow":
		answer = fmt.Sprintf(authDocuments[runtime], "Allow", authResource)
	case "deny":
		answer = fmt.Sprintf(authDocuments[runtime], "Deny", authResource)
	case "unauthorized":
		answer = "Unauthorized"
	default:
		answer = "Error: Invalid token"
	}
	name := map[Runtime]string{Go: "golang", Python: "python", NodeJS: "nodejs"}[runtime]
	return equal(p.GetMessage(), fmt.Sprintf("fn: Auth | token: %s | resp: %s | runtime: %s", q.GetName(), answer, name))
}
