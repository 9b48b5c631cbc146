package trace

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No seed is known that ends a slot by rounding, so the state is made by hand.
func TestRoundingNeverLeavesTheSlot(t *testing.T) {
	t.Parallel()
	pcg := rand.NewPCG(1, 2)
	s := spread{iat: IAT{Law: Equidistant}, slot: time.Minute, pcg: pcg, rng: rand.New(pcg), n: 3, left: 1, position: 3, total: 3}
	require.Equal(t, time.Minute-1, s.next())
}
