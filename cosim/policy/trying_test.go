package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
)

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		situation string
		retry     cluster.Retry
		attempt   int
		why       cluster.Loss
		after     time.Duration
		again     bool
	}{
		{"none", policy.Retries()["none"], 1, cluster.LossNode, 0, false},
		{"the first of three", policy.FixedRetry{Attempts: 3, Delay: s}, 1, cluster.LossNode, s, true},
		{"the second of three", policy.FixedRetry{Attempts: 3, Delay: s}, 2, cluster.LossNode, s, true},
		{"the third of three", policy.FixedRetry{Attempts: 3, Delay: s}, 3, cluster.LossNode, s, false},
		{"a rejected one", policy.FixedRetry{Attempts: 3, Delay: s}, 1, cluster.LossRejected, s, false},
		{"a rejected one, too", policy.FixedRetry{Attempts: 3, Delay: s, Rejected: true}, 1, cluster.LossRejected, s, true},
		{"the base first", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 1, cluster.LossNode, s, true},
		{"then twice as long", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 2, cluster.LossNode, 2 * s, true},
		{"and so on", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 6, cluster.LossNode, 32 * s, true},
		{"up to the cap", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 7, cluster.LossNode, time.Minute, true},
		{"and not for ever", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 9, cluster.LossNode, 0, false},
		{"nor when rejected", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute}, 1, cluster.LossRejected, 0, false},
		{"but when told to", policy.Backoff{Attempts: 9, Base: s, Cap: time.Minute, Rejected: true}, 1, cluster.LossRejected, s, true},
		{"after any number of attempts", policy.Backoff{Attempts: 65_535, Base: s, Cap: time.Hour}, 60_000, cluster.LossNode, time.Hour, true},
		{"no base, no delay", policy.Backoff{Attempts: 65_535, Cap: time.Hour}, 60_000, cluster.LossNode, 0, true},
	} {
		after, again := c.retry.Again(c.attempt, c.why, nil)
		require.Equal(t, c.again, again, c.situation)
		if again {
			require.Equal(t, c.after, after, c.situation)
		}
	}
}

// With full jitter the delay is anything up to what it would be without, and half
// of it on average.
func TestJitterTakesAShareOfTheDelay(t *testing.T) {
	t.Parallel()
	b := policy.Backoff{Attempts: 10, Base: time.Second, Cap: 10 * time.Second, Jitter: true}
	plain := b
	plain.Jitter = false
	random := rand.New(rand.NewPCG(1, 1))
	for attempt := 1; attempt < 10; attempt++ {
		most, _ := plain.Again(attempt, cluster.LossNode, nil)
		sum := time.Duration(0)
		for range 1000 {
			d, again := b.Again(attempt, cluster.LossNode, random)
			require.True(t, again && d >= 0 && d < most)
			sum += d
		}
		require.InEpsilon(t, most.Seconds()/2, sum.Seconds()/1000, 4*.577/31.6, "attempt %d (4 sigma of a uniform mean)", attempt)
	}
}

func TestNoHedgeIsNone(t *testing.T) {
	t.Parallel()
	require.Nil(t, policy.Hedgings()["none"].Hedge())
	wait, ok := policy.FixedHedge{Delay: 3 * time.Second}.Hedge().After()
	require.True(t, ok)
	require.Equal(t, 3*time.Second, wait)
}

// A quantile hedge waits until it has seen enough, and then for about that
// quantile of what it has seen, so that about the rest of the calls is doubled.
func TestAQuantileHedgeDoublesTheShareBeyondIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policy.QuantileHedge{Quantile: rapid.SampledFrom([]float64{.5, .9, .95, .99}).Draw(t, "quantile"), MinSamples: rapid.IntRange(1, 200).Draw(t, "samples")}
		h, other := p.Hedge(), p.Hedge()
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		doubled, asked := 0., 0.
		for n := range 6000 {
			response := time.Duration(random.ExpFloat64() * 1e9)
			wait, ok := h.After()
			require.Equal(t, n >= p.MinSamples, ok, "after %d responses", n)
			if ok && n >= 1000 {
				if asked++; response > wait {
					doubled++
				}
			}
			h.Responded(response)
		}
		want := 1 - p.Quantile
		require.InDelta(t, want, doubled/asked, .1*want+.03)
		_, ok := other.After()
		require.False(t, ok, "each function learns from its own responses")
	})
}
