package functions_test

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"microcosm/functions"
	"microcosm/functions/proto/aespb"
	"microcosm/functions/proto/authpb"
	"microcosm/functions/proto/fibonaccipb"
)

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	require.NoError(t, err)
	return data
}

func request(t testing.TB, f *functions.Function, class string, seed uint64, n int) []byte {
	t.Helper()
	call, err := f.Call(class, seed, n)
	require.NoError(t, err)
	return call.Request
}

func TestACallIsAPureFunctionOfClassSeedAndNumber(t *testing.T) {
	t.Parallel()
	catalog := load(t)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(catalog.Names()).Draw(t, "function")
		f, err := catalog.Lookup(name)
		require.NoError(t, err)
		class := rapid.SampledFrom(f.Classes()).Draw(t, "class")
		seed, n := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 1<<30).Draw(t, "n")
		first, err := f.Call(class, seed, n)
		require.NoError(t, err)
		if _, err := f.Call(class, seed+1, n+1); err != nil { // another call in between
			t.Fatal(err)
		}
		second, err := f.Call(class, seed, n)
		require.NoError(t, err)
		require.Equal(t, first.Request, second.Request)
		require.Equal(t, first.Method, second.Method)
	})
}

// The requests themselves are pinned: recorded measurements are keyed by class
// and seed, so a request must not change with a library or a release.
func TestRequestsArePinned(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		function, class string
		seed            uint64
		n               int
		want            string
	}{
		{"fibonacci-go", "default", 1, 0, "\n\x0211"},
		{"fibonacci-go", "default", 1, 1, "\n\x0212"},
		{"fibonacci-python", "default", 1, 1, "\n\x0212"},
		{"fibonacci-go", "linear", 1, 0, "\n\x011"},
		{"fibonacci-go", "linear", 9, 19, "\n\x0210"},
		{"fibonacci-go", "vswarm", 5, 5, "\n\x0210"},
		{"aes-go", "default", 1, 0, "\n\x10tQTSNEtOQIxjwbQR"},
		{"aes-go", "default", 2, 0, "\n\x10bVaVflqxWxXDkZVL"},
		{"auth-go", "default", 1, 0, "\n\x04deny"},
		{"null", "default", 1, 0, ""},
		{"user", "default", 1, 0, "\n\buser_316\x12\bpass_316"},
		{"rate", "miss", 1, 0, "\n\x012\x12\n2279-03-07\x1a\n2279-03-09"},
		{"geo", "default", 1, 0, "\r\xac+\x17B\x15h\xd1\xf4\xc2"},
	} {
		require.Equal(t, c.want, string(request(t, lookup(t, c.function), c.class, c.seed, c.n)), "%+v", c)
	}
}

func TestDrawsSpanTheirRange(t *testing.T) {
	t.Parallel()
	fibonacci, auth, aes := lookup(t, "fibonacci-go"), lookup(t, "auth-go"), lookup(t, "aes-go")
	seen := map[string]int{}
	var sizes []int
	for n := range 2000 {
		var q fibonaccipb.HelloRequest
		require.NoError(t, proto.Unmarshal(request(t, fibonacci, "default", 11, n), &q))
		seen[q.GetName()]++
		var token authpb.HelloRequest
		require.NoError(t, proto.Unmarshal(request(t, auth, "mixed", 11, n), &token))
		switch token.GetName() {
		case "allow", "deny", "unauthorized":
			seen[token.GetName()]++
		default:
			seen["invalid"]++
		}
		var text aespb.PlainTextMessage
		if n < 20 {
			require.NoError(t, proto.Unmarshal(request(t, aes, "medium", 11, n), &text))
			sizes = append(sizes, len(text.GetPlaintextMessage()))
		}
	}
	for x := 5; x <= 15; x++ { // 2000/11 = 182 each, standard deviation 13
		require.InDelta(t, 182, seen[fmt.Sprint(x)], 65, "x = %d", x)
	}
	for _, token := range []string{"allow", "deny", "unauthorized", "invalid"} { // 500 each, standard deviation 19
		require.InDelta(t, 500, seen[token], 97, token)
	}
	require.Len(t, seen, 15, "nothing else is drawn")
	for _, size := range sizes {
		require.True(t, 10000 <= size && size < 10100)
	}
}

// Expected replies come from elsewhere: the ciphertexts from openssl enc, the
// documents from what vSwarm's functions print.
func TestRightRepliesAreAcceptedAndWrongOnesNot(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}/[{resource}/[{child-resources}]]"
	fib := func(s string) proto.Message { return &fibonaccipb.HelloReply{Message: s} }
	aes := func(s string) proto.Message { return &aespb.ReturnEncryptionInfo{EncryptionInfo: s} }
	auth := func(s string) proto.Message { return &authpb.HelloReply{Message: s} }
	for _, c := range []struct {
		name, function, class, right string
		reply                        func(string) proto.Message
		wrong                        []string
	}{
		{"fibonacci in Go", "fibonacci-go", "vswarm", "fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: GoLang", fib, []string{
			"fn: Fib: y = fib(x) | x: 10 y: 89 | runtime: GoLang",
			"fn: Fib: y = fib(x) | x: 11 y: 55 | runtime: GoLang",
			"fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: python",
		}},
		{"fibonacci in Python", "fibonacci-python", "vswarm", "fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: python", fib, []string{"", "55"}},
		{
			"AES-128 in counter mode", "aes-go", "vswarm",
			"fn: AES | plaintext: A unique message | ciphertext: fd4b8dc72677cafa719c946be09d1bb8 | runtime: golang", aes,
			[]string{
				"fn: AES | plaintext: A unique message | ciphertext: fd4b8dc72677cafa719c946be09d1bb9 | runtime: golang",
				"fn: AES | plaintext: A unique massage | ciphertext: fd4b8dc72677cafa719c946be09d1bb8 | runtime: golang",
			},
		},
		{
			"AES-256 in counter mode as Python prints it", "aes-python", "vswarm",
			`fn: AES | plaintext: A unique message | ciphertext: b'4\xc8\xcb-#y\x9c\xcb\xcd\xb0\x00\xe3\xc0\xa1\xa6\xf2' | runtime: Python`, aes,
			[]string{
				`fn: AES | plaintext: A unique message | ciphertext: b'4\xc8\xcb-#y\x9c\xcb\xcd\xb0\x00\xe3\xc0\xa1\xa6\xf3' | runtime: Python`,
			},
		},
		{
			"a token that is allowed", "auth-go", "allow",
			"fn: Auth | token: allow | resp: {principalId:user policyDocument:{Version:2012-10-17 Statement:[{Action:execute-api:Invoke Effect:Allow Resource:" + arn +
				"}]} context:{stringKey:stringval numberKey:123 booleanKey:true}} | runtime: golang", auth,
			[]string{
				"fn: Auth | token: allow | resp: {principalId:user policyDocument:{Version:2012-10-17 Statement:[{Action:execute-api:Invoke Effect:Deny Resource:" + arn +
					"}]} context:{stringKey:stringval numberKey:123 booleanKey:true}} | runtime: golang",
				"fn: Auth | token: allow | resp: Unauthorized | runtime: golang",
			},
		},
		{
			"a token that is denied, in Python", "auth-python", "deny",
			"fn: Auth | token: deny | resp: {'principalId': 'user', 'policyDocument': {'Version': '2012-10-17', 'Statement': [{'Action': 'execute-api:Invoke', " +
				"'Effect': 'Deny', 'Resource': '" + arn + "'}]}, 'context': {'stringKey': 'stringval', 'numberKey': 123, 'booleanKey': True}} | runtime: python", auth,
			[]string{"fn: Auth | token: deny | resp: Unauthorized | runtime: python"},
		},
		{
			"a token without rights", "auth-go", "unauthorized", "fn: Auth | token: unauthorized | resp: Unauthorized | runtime: golang", auth,
			[]string{"fn: Auth | token: unauthorized | resp: Error: Invalid token | runtime: golang"},
		},
		{
			"no token at all", "auth-python", "vswarm", "fn: Auth | token: A unique message | resp: Error: Invalid token | runtime: python", auth,
			[]string{"fn: Auth | token: A unique message | resp: Unauthorized | runtime: python"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			call, err := lookup(t, c.function).Call(c.class, 1, 0)
			require.NoError(t, err)
			right := encode(t, c.reply(c.right))
			require.NoError(t, call.Check(right))
			for _, wrong := range append(c.wrong, "", strings.ToUpper(c.right)) {
				require.ErrorIs(t, call.Check(encode(t, c.reply(wrong))), functions.ErrWrongReply, wrong)
			}
			require.ErrorIs(t, call.Check(append(right, 0x10, 0x01)), functions.ErrWrongReply, "a field that the type does not have")
			require.ErrorIs(t, call.Check(right[:len(right)-1]), functions.ErrWrongReply, "truncated")
		})
	}
}

func TestLargeFibonacciNumbers(t *testing.T) {
	t.Parallel()
	f := lookup(t, "fibonacci-go")
	for _, class := range []string{"small", "medium"} {
		call, err := f.Call(class, 1, 0)
		require.NoError(t, err)
		var q fibonaccipb.HelloRequest
		require.NoError(t, proto.Unmarshal(call.Request, &q))
		x, err := strconv.Atoi(q.GetName())
		require.NoError(t, err)
		a, b := big.NewInt(0), big.NewInt(1)
		for range x { // by additions; the check doubles
			a, b = b, new(big.Int).Add(a, b)
		}
		right := fmt.Sprintf("fn: Fib: y = fib(x) | x: %d y: %d | runtime: GoLang", x, a)
		require.NoError(t, call.Check(encode(t, &fibonaccipb.HelloReply{Message: right})))
		middle := len(right) / 2
		wrong := right[:middle] + string('0'+(right[middle]-'0'+1)%10) + right[middle+1:]
		require.ErrorContains(t, call.Check(encode(t, &fibonaccipb.HelloReply{Message: wrong})), fmt.Sprintf("differs from byte %d on", middle))
	}
}

func BenchmarkCall(b *testing.B) {
	f := lookup(b, "fibonacci-go")
	b.ReportAllocs()
	for n := range b.N {
		if _, err := f.Call("default", 1, n); err != nil {
			b.Fatal(err)
		}
	}
}
