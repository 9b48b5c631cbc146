package servicetime_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// meanAt is the mean service time after k calls of others.
func meanAt(t require.TestingT, l servicetime.Law, k int64) time.Duration {
	sum, steps := 0., 0
	for u := .005; u < 1; u += .01 {
		d, err := l.Draw(servicetime.State{K: k}, u)
		require.NoError(t, err)
		sum += float64(d.Service)
		steps++
	}
	return time.Duration(sum / float64(steps))
}

func TestALineErrsNowhere(t *testing.T) {
	t.Parallel()
	line := map[int]time.Duration{0: 100_000, 2: 133_333, 4: 150_000, 12: 175_000, -1: 200_000}
	law := lawOfMeans(t, 0, line, []int{0, 2, 4, 12, -1})
	bends := law.Bends(law.LeaveOneOut(streams))
	require.Len(t, bends, 4)
	for _, b := range bends {
		require.InDelta(t, 0, b.Error, 1e-4, "%+v", b)
	}
	require.Equal(t, "lukewarm:1", bends[0].Next.String(), "in the middle between 0 and 1/3")
	require.Equal(t, "lukewarm:28", bends[3].Next.String(), "in the middle between 3/4 and 1")
}

// TestAStepErrsOnBothSides: all of the penalty comes between k = 2 and k = 4. Left
// out, each of them would be far off, and so may be the gaps beside them.
func TestAStepErrsOnBothSides(t *testing.T) {
	t.Parallel()
	step := map[int]time.Duration{0: 100_000, 2: 100_000, 4: 200_000, 12: 200_000, -1: 200_000}
	law := lawOfMeans(t, 0, step, []int{0, 2, 4, 12, -1})
	bends := law.Bends(law.LeaveOneOut(streams))
	require.Greater(t, bends[1].Error, .2)
	require.True(t, servicetime.Interpolates(bends))
	up, down := law.Erring(bends, 1), law.Erring(bends, -1)
	require.Equal(t, 160*time.Microsecond, meanAt(t, law, 3).Round(10*time.Microsecond), "between")
	require.Equal(t, 200*time.Microsecond, meanAt(t, up, 3).Round(time.Microsecond), "no more than the deeper neighbour")
	require.Less(t, meanAt(t, down, 3), 125*time.Microsecond)
	for _, k := range []int64{0, 2, 4, 12} {
		require.Equal(t, meanAt(t, law, k), meanAt(t, up, k), "what is measured is not interpolated")
	}
	require.Equal(t, meanAt(t, law, 1), meanAt(t, down, 1), "between equal neighbours monotony leaves no room")
}

func TestTwoConditionsBoundEachOther(t *testing.T) {
	t.Parallel()
	law := lawOfMeans(t, 0, map[int]time.Duration{0: 100_000, -1: 200_000}, []int{0, -1})
	bends := law.Bends(law.LeaveOneOut(streams))
	require.Len(t, bends, 1)
	require.True(t, math.IsInf(bends[0].Error, 1), "nothing is known between")
	require.Equal(t, "lukewarm:4", bends[0].Next.String())
	require.Equal(t, 200*time.Microsecond, meanAt(t, law.Erring(bends, 1), 1))
	require.Equal(t, 100*time.Microsecond, meanAt(t, law.Erring(bends, -1), 1))
	one := lawOfMeans(t, 0, map[int]time.Duration{0: 100_000}, []int{0})
	require.Empty(t, one.Bends(nil))
	require.Equal(t, meanAt(t, one, 0), meanAt(t, one.Erring(nil, 1), 0))
}

// TestNoiseIsNoBend: what scatters, but follows a line, is off by about its noise
// at most.
func TestNoiseIsNoBend(t *testing.T) {
	t.Parallel()
	line := map[int]time.Duration{0: 100_000, 2: 133_333, 4: 150_000, 12: 175_000, -1: 200_000}
	law := lawOfMeans(t, .5, line, []int{0, 2, 4, 12, -1})
	left := law.LeaveOneOut(streams)
	largest := 0.
	for _, o := range left {
		largest = max(largest, o.Deviation)
	}
	for _, b := range law.Bends(left) {
		require.Less(t, b.Error, 2.5*largest)
	}
}

// TestAnErringLawIsALaw: it stays monotone in share, positive, and between what
// errs down and what errs up lies what does not err.
func TestAnErringLawIsALaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, lowest, highest := campaign(t)
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: models.Draw(t, "model")})
		require.NoError(t, err)
		bends := l.Bends(l.LeaveOneOut(streams))
		s, u := states.Draw(t, "state"), shares.Draw(t, "u")
		down, plain, up := drawn(t, l.Erring(bends, -1), s, u), drawn(t, l, s, u), drawn(t, l.Erring(bends, 1), s, u)
		require.LessOrEqual(t, down.Service, plain.Service+1)
		require.LessOrEqual(t, plain.Service, up.Service+1)
		require.GreaterOrEqual(t, down.Service, lowest)
		require.LessOrEqual(t, up.Service, highest)
		require.LessOrEqual(t, up.Busy, up.Service)
		require.Positive(t, down.Busy)
		if !plain.Interpolated {
			require.Equal(t, plain, up)
		}
	})
}
