package controlplane

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

func TestActivatorsShareThePods(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pods, activators int }{{0, 2}, {1, 3}, {2, 5}, {20, 3}, {24, 5}, {7, 1}, {6, 3}} {
		pods := make([]*pod, c.pods)
		for i := range pods {
			pods[i] = &pod{}
		}
		times := map[*pod]int{}
		for index := range c.activators {
			own := slice(pods, index, c.activators)
			if i := remnant(c.pods, index, c.activators); i >= 0 {
				own = append(own[:len(own):len(own)], pods[i])
			}
			for _, d := range own {
				times[d]++
			}
			if c.pods >= c.activators && c.activators > 1 {
				require.Contains(t, []int{c.pods / c.activators, c.pods/c.activators + 1}, len(own), "%+v", c)
			}
		}
		require.Len(t, times, c.pods, "%+v: every pod is somebody's", c)
		for _, n := range times {
			require.True(t, n == 1 || c.pods < c.activators, "%+v", c)
		}
		require.Len(t, slice(pods, c.activators, c.activators), c.pods, "who does not belong may use all")
	}
}

// The reports of a queue-proxy are those of one that reports every second,
// without an event for each.
func TestReportsWithoutEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		begun := des.Time(rapid.Int64Range(0, 1e9).Draw(t, "begun"))
		var lazy queueProxy
		lazy.started(begun)
		var eager traffic
		eager.since = begun
		boundary, last, reported := begun+report, knative.Stat{}, false
		now := begun
		for range rapid.IntRange(0, 40).Draw(t, "changes") {
			now += des.Time(rapid.Int64Range(0, 25e8).Draw(t, "gap"))
			for boundary <= now {
				eager.advance(boundary)
				last, reported = eager.cut(float64(report)), true
				boundary += report
			}
			eager.advance(now)
			proxied := rapid.Bool().Draw(t, "proxied")
			switch {
			case rapid.Bool().Draw(t, "scrape"):
				got, ok := lazy.scrape(now)
				require.Equal(t, reported, ok)
				require.InDelta(t, last.Concurrency, got.Concurrency, 1e-9)
				require.InDelta(t, last.ProxiedConcurrency, got.ProxiedConcurrency, 1e-9)
				require.Equal(t, last.Requests, got.Requests)
			case eager.inside > 0 && eager.proxied == eager.inside == proxied && rapid.Bool().Draw(t, "leave"):
				proxied = eager.proxied > 0
				lazy.leave(now, proxied)
				eager.inside--
				if proxied {
					eager.proxied--
				}
			default:
				lazy.enter(now, proxied)
				eager.inside++
				eager.count++
				if proxied {
					eager.proxied++
					eager.proxyCount++
				}
			}
		}
	})
}
