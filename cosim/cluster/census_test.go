package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

func TestACensusKeepsEveryPartOfARunAlike(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1, maxCensus - 1, maxCensus, maxCensus + 1, 10 * maxCensus} {
		var c Census
		for i := range n {
			c.add(servicetime.State{K: i, Base: time.Second})
		}
		require.Equal(t, n, c.Len())
		require.LessOrEqual(t, len(c.States()), maxCensus)
		sum := 0.0
		for i, s := range c.States() {
			require.Zero(t, s.Base, "a duration belongs to one invocation")
			sum += float64(s.K)
			if i > 0 {
				require.Equal(t, c.stride, s.K-c.States()[i-1].K)
			}
		}
		require.InDelta(t, float64(n-1)/2, sum/float64(len(c.States())), float64(c.stride), "%d states", n)
	}
}

func TestADrawFromACensusFollowsItsShares(t *testing.T) {
	t.Parallel()
	c := NewCensus([]servicetime.State{{K: 1}, {K: 1}, {K: 1}, {New: true}})
	require.Equal(t, int64(1), c.draw(0).K)
	require.Equal(t, int64(1), c.draw(.7499).K)
	require.True(t, c.draw(.75).New)
	require.True(t, new(Census).draw(.3).New, "an empty one knows of no memory")
	require.Zero(t, (*Census)(nil).Len())
	require.Empty(t, (*Census)(nil).States())
}
