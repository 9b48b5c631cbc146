package metrics_test

import (
	"encoding"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

var (
	_ encoding.BinaryMarshaler   = (*metrics.Histogram)(nil)
	_ encoding.BinaryUnmarshaler = (*metrics.Histogram)(nil)
	_ encoding.BinaryAppender    = (*metrics.Histogram)(nil)
)

func TestHistogramEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := recorded(durations(t, "values")...)
		data, err := h.MarshalBinary()
		require.NoError(t, err)
		back := recorded(5)
		require.NoError(t, back.UnmarshalBinary(data))
		require.True(t, back.Equal(h))
		require.Equal(t, h.Mean(), back.Mean())
		require.Equal(t, h.Variance(), back.Variance())

		back.Merge(recorded(7))
		h.Record(7)
		require.True(t, back.Equal(h), "it goes on recording")

		for cut := range data {
			kept := recorded(5)
			require.Error(t, kept.UnmarshalBinary(data[:cut]))
			require.True(t, kept.Equal(recorded(5)), "refused and left alone")
		}
	})
}

func TestHistogramEncodingIsDocumented(t *testing.T) {
	t.Parallel()
	data, err := recorded(3, 3, 130).AppendBinary([]byte("x"))
	require.NoError(t, err)
	// 130 lies in page 1, entry 130 − 128: bucket 130. Σ = 136, Σ² = 16918.
	require.Equal(t, []byte{
		'x', 1, 3, 3, 0x82, 1, // version, count, minimum, maximum
		0x88, 1, 0, // sum
		0x96, 0x84, 1, 0, 0, // squares
		2, 3, 2, 126, 1, // two buckets: 3 twice, and after 126 empty ones 130 once
	}, data)
	data, err = (*metrics.Histogram)(nil).MarshalBinary()
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0}, data)
}

func TestHistogramEncodingRefuses(t *testing.T) {
	t.Parallel()
	valid := func(change func(b []byte) []byte) []byte {
		b, _ := recorded(3, 3, 130).MarshalBinary()
		return change(b)
	}
	set := func(index int, value byte) []byte {
		return valid(func(b []byte) []byte { b[index] = value; return b })
	}
	for want, data := range map[string][]byte{
		"cut off":                                nil,
		"version 2, this program reads 1":        {2, 0},
		"the buckets do not add up to the count": set(1, 4),
		"minimum or maximum outside of":          set(2, 4),
		"minimum or maximum outside":             set(3, 0x83),
		"the sum does not agree":                 set(5, 0x87),
		"a negative variance":                    set(10, 0),
		"more bytes than needed":                 valid(func(b []byte) []byte { return append(b, 0) }),
		"a bucket beyond the last": valid(func(b []byte) []byte {
			return append(b[:len(b)-2], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1)
		}),
	} {
		err := new(metrics.Histogram).UnmarshalBinary(data)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "record it again")
	}
}

func FuzzHistogramEncoding(f *testing.F) {
	for _, h := range []*metrics.Histogram{nil, recorded(0), recorded(3, 3, 130), recorded(time.Millisecond, time.Hour, math.MaxInt64)} {
		data, _ := h.MarshalBinary()
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h := new(metrics.Histogram)
		if h.UnmarshalBinary(data) != nil {
			require.Zero(t, h.Count())
			return
		}
		again, err := h.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, data, again)
		require.GreaterOrEqual(t, h.Variance(), 0.)
		require.LessOrEqual(t, h.Min(), h.Quantile(.5))
		require.LessOrEqual(t, h.Quantile(.5), h.Max())
		h.CountAbove(h.Quantile(.5))
		h.Points(10)
	})
}
