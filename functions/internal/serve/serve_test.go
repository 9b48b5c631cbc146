package serve_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions/internal/serve"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		env  string
		want string
	}{
		"the usual port":                   {nil, "", "0.0.0.0:50051"},
		"the environment's port":           {nil, "7000", "0.0.0.0:7000"},
		"a flag before the environment":    {[]string{"-port", "8000"}, "7000", "0.0.0.0:8000"},
		"vSwarm's host:port":               {[]string{"-addr", "127.0.0.1:9000"}, "7000", "127.0.0.1:9000"},
		"a host alone":                     {[]string{"--addr", "127.0.0.1"}, "7000", "127.0.0.1:7000"},
		"-port before the port of -addr":   {[]string{"--addr=127.0.0.1:9000", "--port=8000"}, "", "127.0.0.1:8000"},
		"an address of the newer protocol": {[]string{"--addr", "::1"}, "", "[::1]:50051"},
		"the same with a port":             {[]string{"--addr", "[::1]:80"}, "", "[::1]:80"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := serve.Address(append([]string{"function"}, c.args...), c.env, 50051)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	for name, args := range map[string][]string{
		"no number": {"-port", "http"}, "too large": {"-port", "65536"}, "negative": {"-port", "-1"}, "an argument": {"50051"},
	} {
		_, err := serve.Address(append([]string{"function"}, args...), "", 50051)
		require.Error(t, err, name)
	}
}
