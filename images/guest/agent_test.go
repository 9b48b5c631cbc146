//go:build linux

package guest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest"
)

func TestTheAgentDoesNothingOnAHost(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.Equal(t, 2, guest.Main([]string{"agent"}, strings.NewReader(""), &out))
	require.Contains(t, out.String(), "boot an image with it")
}

func TestTheAgentsProgramIsAWalkerWhenTold(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.Equal(t, 0, guest.Main([]string{"agent", "walk"}, strings.NewReader("64 64\n"), &out))
	require.Equal(t, "done\n", out.String())
}
