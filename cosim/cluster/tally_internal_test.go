package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// However many are recorded, and whenever somebody looks: the same as one by one.
func TestATallyIsWhatWasRecordedOneByOne(t *testing.T) {
	t.Parallel()
	require.Nil(t, new(tally).settle(), "nothing is nothing")
	rapid.Check(t, func(t *rapid.T) {
		var of tally
		var want Times
		for range rapid.IntRange(1, 4).Draw(t, "looks") {
			for range rapid.SampledFrom([]int{0, 1, batch - 1, batch, batch + 1, 3 * batch}).Draw(t, "calls") {
				service := time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "service"))
				response := service + time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "waiting"))
				of.record(response, service)
				want.Response.Record(response)
				want.Waiting.Record(response - service)
				want.Service.Record(service)
			}
			got := of.settle()
			if want.Response.Count() == 0 {
				require.Nil(t, got)
				continue
			}
			require.True(t, got.Response.Equal(&want.Response) && got.Waiting.Equal(&want.Waiting) && got.Service.Equal(&want.Service))
		}
	})
}
